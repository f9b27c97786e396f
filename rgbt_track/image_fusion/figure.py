"""The low-rank and sparse parts of a pair as one picture, as in LRRNet's Fig. 13."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from rgbt_track.image_fusion.fuser import FusedFrame, Image, as_rgb

_COLUMNS = 3
_SIDE = 320  # pixels of a panel's width
_CAPTION = 22
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def parts_figure(frame: FusedFrame, parts: Mapping[str, Image]) -> Image:
    """Sources, parts and the fused image with captions, (H, W, 3) RGB.

    A row each for the visible, the infrared and the fused image, with its low-rank and its sparse
    part beside it; further parts follow. Every part is stretched by its own range.
    """
    panels = {}
    for source, image in (
        ("visible", frame.visible),
        ("infrared", frame.infrared),
        ("fused", frame.gray),
    ):
        own = {name: part for name, part in parts.items() if name.endswith(f"_{source}")}
        panels.update({source: image, **own})
    panels.update(parts)
    cells = [_panel(name.replace("_", " "), image) for name, image in panels.items()]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % _COLUMNS)
    rows = [np.hstack(cells[i : i + _COLUMNS]) for i in range(0, len(cells), _COLUMNS)]
    return np.vstack(rows)


def _panel(caption: str, image: Image) -> Image:
    height, width = image.shape[:2]
    size = (_SIDE, max(round(_SIDE * height / width), 1))
    panel = cv2.resize(as_rgb(image), size, interpolation=cv2.INTER_AREA)
    panel = cv2.copyMakeBorder(panel, _CAPTION, 2, 2, 2, cv2.BORDER_CONSTANT, value=_WHITE)
    cv2.putText(panel, caption, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _BLACK, 1, cv2.LINE_AA)
    return panel
