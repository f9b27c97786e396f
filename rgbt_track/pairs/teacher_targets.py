"""What a teacher says of a training pair, on the student's grid: targets of distillation.

The teacher sees the crops as they are before photometric augmentation and corruption, scaled to its
own sizes: the student is to answer as well on the spoilt crop. A branch may learn from the answer
on its own modality or on the other one, the visible crop of a registered pair being the teacher of
the thermal branch (cross-modal distillation). Where there are several answers, the one whose best
box overlaps the labelled box the most is taken, and one that overlaps it too little is left out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.boxes import cxcywh_to_xywh, iou_xywh, xywh_to_cxcywh, xyxy_to_xywh
from rgbt_track.config.pairs import TeacherConfig
from rgbt_track.config.tracker import AnchorConfig, TrackingConfig
from rgbt_track.modalities import BRANCHES
from rgbt_track.models.anchors import anchor_boxes
from rgbt_track.models.teacher import Teacher
from rgbt_track.pairs.augment import Images

Floats = NDArray[np.float32]
Answers = dict[str, Floats]
_LEAST_SIDE = 1e-3  # pixels


@dataclass(frozen=True, eq=False)
class Answer:
    """The teacher's response at the student's cells.

    Args:
        probability: (S, S) in [0, 1].
        boxes: (4, S, S) cx, cy, w, h in pixels of the student's crop, from its center.
        overlap: of its most probable box with the target's.
    """

    probability: Floats
    boxes: Floats
    overlap: float


class TeacherTargets:
    """Asks a teacher about pairs; picklable where the teacher is.

    Args:
        teacher: whom to ask.
        config: which branch learns from which crop.
        anchors: of the student; their centers are its cells.
        response_size: S, side of the student's response.
        tracking: sizes of the student's crops.

    Raises ``ValueError`` where teacher and student show templates of different context.
    """

    def __init__(
        self,
        teacher: Teacher,
        config: TeacherConfig,
        anchors: AnchorConfig,
        response_size: int,
        tracking: TrackingConfig,
    ):
        if teacher.context != tracking.context:
            raise ValueError(
                f"the teacher's context is {teacher.context}, tracking.context is "
                f"{tracking.context}: they must be equal"
            )
        self.teacher = teacher
        self.config = config
        self.scale = teacher.template_size / tracking.template_size
        cells = anchor_boxes(anchors, response_size)[: response_size**2, :2]
        self._cells = cells.reshape(response_size, response_size, 2)

    def nothing(self) -> Answers:
        """The arrays of a pair that the teacher says nothing about."""
        size = len(self._cells)
        return {
            "probability": np.zeros((len(BRANCHES), size, size), np.float32),
            "boxes": np.ones((len(BRANCHES), 4, size, size), np.float32),
            "weight": np.zeros(len(BRANCHES), np.float32),
        }

    def assign(
        self, template: Images, search: Images, box_cxcywh: ArrayLike, untaught: Collection[str]
    ) -> Answers:
        """The targets of a pair with a target.

        Args:
            template: modality -> template crop (T, T, 1|3).
            search: modality -> search crop (X, X, 1|3).
            box_cxcywh: the target's box in the search crop, from its center.
            untaught: branches that cannot know the target.

        Returns ``probability`` (3, S, S), ``boxes`` (3, 4, S, S) and ``weight`` (3,), 0 or 1, for
        the branches rgb, tir and fused.
        """
        targets = self.nothing()
        answers: dict[str, Answer] = {}
        for row, branch in enumerate(BRANCHES):
            if branch in untaught:
                continue
            for name in self.config.crops(branch):
                if name in template and name in search and name not in answers:
                    answers[name] = self._ask(template[name], search[name], box_cxcywh)
            usable = [
                answers[name]
                for name in self.config.crops(branch)
                if name in answers and answers[name].overlap >= self.config.min_overlap
            ]
            if usable:
                answer = max(usable, key=lambda each: each.overlap)
                targets["probability"][row] = answer.probability
                targets["boxes"][row] = answer.boxes
                targets["weight"][row] = 1
        return targets

    def _ask(
        self, template: NDArray[np.uint8], search: NDArray[np.uint8], box_cxcywh: ArrayLike
    ) -> Answer:
        teacher = self.teacher
        kernel = teacher.template(rescale_centered(template, self.scale, teacher.template_size))
        crop = rescale_centered(search, self.scale, teacher.search_size)
        probability, boxes = teacher.respond(kernel, crop)
        boxes_cxcywh = xywh_to_cxcywh(xyxy_to_xywh(boxes)) / self.scale
        boxes_cxcywh[..., 2:] = np.maximum(boxes_cxcywh[..., 2:], _LEAST_SIDE)
        best = np.unravel_index(int(np.argmax(probability)), probability.shape)
        overlap = iou_xywh(cxcywh_to_xywh(boxes_cxcywh[best]), cxcywh_to_xywh(box_cxcywh))
        return Answer(
            probability=np.clip(self._at_cells(probability[..., None])[..., 0], 0, 1),
            boxes=np.ascontiguousarray(self._at_cells(boxes_cxcywh).transpose(2, 0, 1)),
            overlap=float(overlap),
        )

    def _at_cells(self, values: NDArray[np.floating]) -> Floats:
        """Values (S', S', n) at the teacher's cells -> (S, S, n) at the student's, bilinear.

        Cells outside of the teacher's response have those of its rim.
        """
        places = self._cells * self.scale / self.teacher.stride + (len(values) - 1) / 2
        columns, rows = np.moveaxis(places.astype(np.float32), -1, 0)
        sampled = cv2.remap(
            values.astype(np.float32),
            np.ascontiguousarray(columns),
            np.ascontiguousarray(rows),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return sampled.reshape(*self._cells.shape[:2], -1)


def rescale_centered(image: NDArray[np.uint8], scale: float, size: int) -> NDArray[np.uint8]:
    """A crop (X, X, 1|3) scaled about its center -> (size, size, 3), cut or padded to that size.

    Padding is the crop's mean color, as for pixels outside of an image.
    """
    shift = size / 2 - scale * image.shape[0] / 2 + scale / 2 - 0.5
    matrix = np.array([[scale, 0, shift], [0, scale, shift]])
    mean = image.mean(axis=(0, 1)).tolist()
    result = cv2.warpAffine(
        image,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=mean,
    ).reshape(size, size, -1)
    return np.ascontiguousarray(np.broadcast_to(result, (size, size, 3)))
