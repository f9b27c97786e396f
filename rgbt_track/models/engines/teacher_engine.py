"""A teacher behind the tracker's seam: each modality is a branch that the teacher answers for.

So the tracking loop, its decision between branches and its settings are ours, and a teacher tracks
visible, thermal and RGB-T video alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import xywh_to_cxcywh, xyxy_to_xywh
from rgbt_track.config.tracker import (
    AnchorConfig,
    Config,
    DecisionConfig,
    ModelConfig,
    TrackingConfig,
)
from rgbt_track.modalities import MODALITIES
from rgbt_track.models.anchors import anchor_boxes, encode_offsets
from rgbt_track.models.engines.interface import BranchResponse, InputCrops, Template
from rgbt_track.models.teacher import Teacher

_LEAST_PROBABILITY = 1e-6
_LEAST_SIDE = 1e-3  # pixels


class TeacherEngine:
    """An ``Engine`` whose branches are the modalities; a template is the teacher's kernel."""

    def __init__(self, teacher: Teacher):
        self.teacher = teacher
        self._anchors = AnchorConfig(stride=teacher.stride, ratios=(1.0,), scales=(1.0,))

    def template(self, crops: InputCrops, target: NDArray[np.float32] | None = None) -> Template:
        return {name: self.teacher.template(_to_uint8(crop)) for name, crop in crops.items()}

    def blend(self, first: Template, present: Template, rate: float) -> Template:
        """The first template: what a kernel is made of is the teacher's own affair."""
        return first

    def search(self, template: Template, crops: InputCrops) -> dict[str, BranchResponse]:
        return {
            name: self._response(*self.teacher.respond(template[name], _to_uint8(crop)))
            for name, crop in crops.items()
            if name in template
        }

    def config(self) -> Config:
        """The settings of a ``Tracker`` around this engine; the loop's are NanoTrack's."""
        teacher = self.teacher
        return Config(
            name="teacher",
            model=ModelConfig(branches=MODALITIES, anchors=self._anchors),
            tracking=TrackingConfig(
                template_size=teacher.template_size,
                search_size=teacher.search_size,
                context=teacher.context,
                penalty_k=0.138,
                window_influence=0.455,
                size_lr=0.348,
                decision="agreement",
                decision_constants=DecisionConfig(peak_radius=2),
            ),
        )

    def _response(
        self, probability: NDArray[np.floating], boxes: NDArray[np.floating]
    ) -> BranchResponse:
        """Probability (S, S) and boxes (S, S, 4) in the form of one square anchor per cell."""
        size = len(probability)
        inside = np.clip(probability, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
        half = 0.5 * (np.log(inside) - np.log1p(-inside))
        boxes_cxcywh = xywh_to_cxcywh(xyxy_to_xywh(boxes.reshape(-1, 4)))
        boxes_cxcywh[:, 2:] = np.maximum(boxes_cxcywh[:, 2:], _LEAST_SIDE)
        offsets = encode_offsets(boxes_cxcywh, anchor_boxes(self._anchors, size).astype(float))
        return BranchResponse(np.stack([-half, half])[:, None], offsets.T.reshape(4, 1, size, size))


def _to_uint8(crop: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(1, 3, S, S) in 0..255 -> (S, S, 3) uint8."""
    return np.ascontiguousarray(np.round(crop[0]).astype(np.uint8).transpose(1, 2, 0))
