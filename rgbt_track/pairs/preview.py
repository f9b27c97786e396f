"""A picture of training pairs: what the network sees, with the box it has to find."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.modalities import MODALITIES
from rgbt_track.pairs.augment import View
from rgbt_track.pairs.dataset import Pair, PairDataset
from rgbt_track.pairs.sampler import pair_generator

_BOX, _OTHER = (64, 255, 96), (255, 96, 64)
_MARGIN = 4


def pair_sheet(dataset: PairDataset, seed: int, rows: int, columns: int) -> NDArray[np.uint8]:
    """Pairs 0, 1, ... of epoch 0 as one RGB picture, each as rgb and thermal, template and search.

    The box of a negative pair, which is another target's, is red; a lost modality is named.
    """
    tiles = [_tile(dataset.pair(pair_generator(seed, 0, index))) for index in range(rows * columns)]
    lines = [np.hstack(tiles[row * columns : (row + 1) * columns]) for row in range(rows)]
    return np.vstack(lines)


def _tile(pair: Pair) -> NDArray[np.uint8]:
    """One pair: above the visible, below the thermal images; the template left."""
    color = _OTHER if pair.negative else _BOX
    height = next(iter(pair.search.images.values())).shape[0]
    lines = []
    for name in MODALITIES:
        template = _picture(pair.template, name, height, _BOX)
        search = _picture(pair.search, name, height, color)
        if pair.dropout is not None and pair.dropout.name == name:
            _write(search, pair.dropout.way)
        lines.append(np.hstack([template, search]))
    return np.pad(np.vstack(lines), ((0, _MARGIN), (0, _MARGIN), (0, 0)), constant_values=255)


def _picture(view: View, name: str, height: int, color: tuple[int, ...]) -> NDArray[np.uint8]:
    image = view.images[name]
    image = np.broadcast_to(image, (*image.shape[:2], 3)).copy()
    x, y, w, h = view.box
    cv2.rectangle(image, (round(x), round(y)), (round(x + w), round(y + h)), color, 1)
    return np.pad(image, ((0, height - image.shape[0]), (0, 0), (0, 0)))


def _write(image: NDArray[np.uint8], text: str) -> None:
    place = (4, image.shape[0] - 6)
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _BOX, 1, cv2.LINE_AA)
