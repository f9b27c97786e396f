"""An image of training pairs: what the network sees, with the box that it has to find."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.modalities import MODALITIES
from rgbt_track.pairs.augment import View
from rgbt_track.pairs.dataset import PairDataset
from rgbt_track.pairs.sampler import pair_generator

_TARGET_COLOR, _NEGATIVE_COLOR = (64, 255, 96), (255, 96, 64)
_MARGIN = 4


def preview_pairs(dataset: PairDataset, seed: int, rows: int, columns: int) -> NDArray[np.uint8]:
    """Pairs 0, 1, ... of epoch 0 as one RGB image (H, W, 3), a tile per pair.

    A tile has the visible images above, the thermal ones below, the template left of the search
    crop. The box of a negative pair, which is another target's, is red; a dropped modality is
    labelled with the mode of its dropout.

    Args:
        dataset: the pairs.
        seed: of the pairs.
        rows: of tiles.
        columns: of tiles.
    """
    tiles = []
    for index in range(rows * columns):
        pair = dataset.pair(pair_generator(seed, 0, index))
        color = _NEGATIVE_COLOR if pair.negative else _TARGET_COLOR
        height = next(iter(pair.search.images.values())).shape[0]
        lines = []
        for name in MODALITIES:
            template = _draw_view(pair.template, name, height, _TARGET_COLOR)
            search = _draw_view(pair.search, name, height, color)
            if pair.dropout is not None and pair.dropout.modality == name:
                position = (4, search.shape[0] - 6)
                font = cv2.FONT_HERSHEY_SIMPLEX
                cv2.putText(
                    search, pair.dropout.mode, position, font, 0.45, _TARGET_COLOR, 1, cv2.LINE_AA
                )
            lines.append(np.hstack([template, search]))
        margins = ((0, _MARGIN), (0, _MARGIN), (0, 0))
        tiles.append(np.pad(np.vstack(lines), margins, constant_values=255))
    return np.vstack([np.hstack(tiles[i * columns : (i + 1) * columns]) for i in range(rows)])


def _draw_view(view: View, name: str, height: int, color: tuple[int, ...]) -> NDArray[np.uint8]:
    """One modality of a view in RGB with its box, padded below to ``height`` rows."""
    image = view.images[name]
    image = np.broadcast_to(image, (*image.shape[:2], 3)).copy()
    x, y, w, h = view.box
    cv2.rectangle(image, (round(x), round(y)), (round(x + w), round(y + h)), color, 1)
    return np.pad(image, ((0, height - image.shape[0]), (0, 0), (0, 0)))
