"""The tracker: numpy in, numpy out, and the only place that knows frames, crops and state.

One frame pair enters ``update``; both modalities are cut with one ``CropRegion``, go through the
network in one batch, their branches are joined (``decision``), one box is chosen
(``selection``), and the same region maps it back. State is a value: ``update`` returns a new
one and leaves the old one as it was, so several targets can share one ``Tracker``, and a run can
be replayed from any frame.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from rgbt_track.boxes import cxcywh_to_xywh, iou_xywh, keep_inside_xywh, xywh_to_cxcywh
from rgbt_track.config.tracker import Config, TrackingConfig
from rgbt_track.crops import CropRegion, context_side
from rgbt_track.io.frames import Frame, Frames, check_box, is_blank, prepare_frames
from rgbt_track.models.anchors import anchor_boxes
from rgbt_track.models.interface import Levels
from rgbt_track.models.network import RGBTNetwork, grid_cells
from rgbt_track.threads import torch_threads
from rgbt_track.tracking.decision import DECISIONS, BranchResponse, Decision, sigmoid
from rgbt_track.tracking.selection import choose, cosine_window
from rgbt_track.tracking.state import TrackState

_PYSOT_SMALLEST_SIDE = 10.0
# Of the crops that test the branches: displacement in target widths and heights, and zoom.
_DISPLACED = ((0, 0, 1), (0.5, 0.3, 1.1), (-0.5, -0.3, 0.9), (0.3, -0.5, 1.1), (-0.3, 0.5, 0.9))


class Tracker:
    """A trained network with a tracking loop around it.

    Args:
        network: built by ``build_network``; put into evaluation mode here.
        config: its settings; ``config.model`` is what the network was built from.
        device: where the network runs, a ``torch`` device name.

    Raises ``ValueError`` for crop sizes that would leave the features off the crops' centre.
    """

    def __init__(self, network: RGBTNetwork, config: Config, device: str | torch.device = "cpu"):
        self.config = config
        self.settings: TrackingConfig = config.tracking
        sizes = (self.settings.template_size, self.settings.search_size)
        for size in (*sizes, self.settings.wide_search_size or sizes[1]):
            grid_cells(size, config.model.anchors.stride)
        self.device = torch.device(device)
        self.network = network.to(self.device).eval()
        self._decide = DECISIONS[self.settings.decision]
        self._anchors: dict[int, tuple[NDArray[np.floating], NDArray[np.floating]]] = {}

    def init(self, rgb: Frame, tir: Frame, box: ArrayLike) -> TrackState:
        """Begin with a target.

        Args:
            rgb: visible frame, (H, W, 3) uint8 in RGB order, or ``None`` if there is none.
            tir: thermal frame, (H, W) or (H, W, 3), uint8 or uint16, registered to the visible
                one, or ``None``. A black or constant frame counts as none.
            box: x, y, w, h in pixels of the visible frame (of the thermal one where there is no
                visible one), continuous from its corner. All later boxes are in these pixels.

        Raises:
            ValueError: no frame, unfit frames, or a box that is not finite, empty, or outside.
        """
        frames = prepare_frames(rgb, tir)
        height, width = next(iter(frames.values())).shape[:2]
        box = check_box(box, width, height)
        inside = keep_inside_xywh(box, width, height, self.settings.smallest_side)
        seen = {name: frame for name, frame in frames.items() if not is_blank(frame)} or frames
        fill = {name: frame.mean(axis=(0, 1)) for name, frame in seen.items()}
        x, y, w, h = _target(box, inside, width, height)
        drift = 0.5 if self.settings.pysot_exact else 0.0
        state = TrackState(
            box=inside,
            score=1.0,
            modalities=tuple(seen),
            trust={},
            proof={},
            frame=0,
            frame_size=(width, height),
            center=(x - drift, y - drift),
            size=(w, h),
            fill=fill,
            first_levels={},
            kernels={},
        )
        state = self._with_template(state, seen)
        return replace(state, proof=self._test_branches(state, seen))

    def update(self, rgb: Frame, tir: Frame, state: TrackState) -> TrackState:
        """Find the target in the next frame; frames as in ``init``.

        A modality that is ``None``, black or constant is done without. When neither shows
        anything, the box stays and the score is 0. Frames of another resolution than the first
        are resized. Raises ``ValueError`` for unfit frames.
        """
        missing = rgb is None and tir is None
        frames = {} if missing else prepare_frames(rgb, tir, state.frame_size)
        seen = {name: frame for name, frame in frames.items() if not is_blank(frame)}
        known = {name: frame for name, frame in seen.items() if name in state.fill}
        state = replace(state, score=0.0, modalities=tuple(seen), frame=state.frame + 1)
        if not known:
            return state
        settings = self.settings
        found = self._look(state, known, settings.search_size)
        if found.score < settings.wide_search_below and self._is_wider(state):
            wide = self._look(state, known, settings.wide_search_size)
            if wide.score >= max(settings.wide_search_score, found.score):
                found = replace(wide, trust=found.trust)
        return self._refresh(found, seen)

    def _is_wider(self, state: TrackState) -> bool:
        """Whether there is a wider search, and it would see more of the frame."""
        region, _ = self._search_region(state, self.settings.search_size)
        first, last = np.array([region.left, region.top]), np.array(state.frame_size) - region.side
        return bool(self.settings.wide_search_size) and not ((first <= 0) & (first >= last)).all()

    @contextlib.contextmanager
    def _inference(self) -> Iterator[None]:
        """No gradients, and the settings' threads, whatever the program around has."""
        with torch_threads(self.settings.threads), torch.inference_mode():
            yield

    def _look(self, state: TrackState, frames: Frames, size: int) -> TrackState:
        """Search a crop of ``size`` pixels, on the same scale for any size."""
        region, side = self._search_region(state, size)
        branches = self._respond(state, self._crops(frames, region, state.fill))
        if not branches:
            return state
        return self._move(state, self._decide(branches, state.trust, state.proof), region, side)

    def _respond(self, state: TrackState, crops: dict[str, Tensor]) -> dict[str, BranchResponse]:
        """What each branch says; one whose numbers overflow says nothing."""
        with self._inference():
            responses = self.network.search(state.kernels, crops)
        branches = {}
        for name, response in responses.items():
            size = response.cls.shape[-1]
            cls = response.cls[0].float().cpu().numpy().reshape(2, -1, size, size)
            loc = response.loc[0].float().cpu().numpy().reshape(4, -1, size, size)
            if np.isfinite(cls).all() and np.isfinite(loc).all():
                branches[name] = BranchResponse(cls, loc)
        return branches

    def _move(
        self,
        state: TrackState,
        decision: Decision,
        region: CropRegion,
        side: float,
    ) -> TrackState:
        settings = self.settings
        scale = region.size / side if settings.pysot_exact else region.scale
        anchors, window = self._anchor_grid(decision.probability.shape[-1])
        winner = choose(
            decision.probability.ravel(),
            decision.loc.reshape(4, -1),
            anchors,
            window,
            (state.size[0] * scale, state.size[1] * scale),
            settings.penalty_k,
            settings.window_influence,
        )
        rate = winner.penalty * winner.probability * settings.size_lr
        found = winner.box_cxcywh / scale
        center = found[:2] + np.array(state.center if settings.pysot_exact else region.center)
        size = np.asarray(state.size) * (1 - rate) + found[2:] * rate
        return self._placed(state, center, size, winner.probability, decision.trust)

    def _placed(
        self,
        state: TrackState,
        center: NDArray[np.floating],
        size: NDArray[np.floating],
        score: float,
        trust: dict[str, float],
    ) -> TrackState:
        exact, frame_size = self.settings.pysot_exact, state.frame_size
        smallest = _PYSOT_SMALLEST_SIDE if exact else self.settings.smallest_side
        center = np.clip(center, 0, frame_size)
        size = np.clip(size, np.minimum(smallest, frame_size), frame_size)
        box = cxcywh_to_xywh(np.concatenate([center, size]))
        if not exact:
            box = keep_inside_xywh(box, *frame_size, self.settings.smallest_side)
        return replace(
            state,
            box=box,
            score=min(max(score, 0.0), 1.0),
            trust=trust,
            center=(float(center[0]), float(center[1])),
            size=(float(size[0]), float(size[1])),
        )

    def _search_region(self, state: TrackState, size: int) -> tuple[CropRegion, float]:
        """The region to search, and its side before rounding to whole pixels."""
        side = context_side(*state.size, self.settings.context)
        side *= size / self.settings.template_size
        return self._region(state, side, size), side

    def _region(self, state: TrackState, side: float, size: int) -> CropRegion:
        # pysot rounds the corner down from the pixel index of the centre, half a pixel off.
        shift = 0.5 if self.settings.pysot_exact else 0.0
        return CropRegion.around(state.center[0] - shift, state.center[1] - shift, side, size)

    def _crops(
        self,
        frames: Frames,
        region: CropRegion,
        fill: dict[str, NDArray[np.floating]],
    ) -> dict[str, Tensor]:
        crops = {}
        for name, frame in frames.items():
            pixels = torch.from_numpy(region.cut(frame, fill[name])).to(self.device)
            crops[name] = pixels.permute(2, 0, 1)[None].float()
        if self.settings.thermal_mean_shift and len(crops) == 2:
            crops["tir"] = crops["tir"] + (crops["rgb"].mean() - crops["tir"].mean())
        return crops

    def _anchor_grid(self, response_size: int) -> tuple[Any, Any]:
        if response_size not in self._anchors:
            settings = self.config.model.anchors
            anchors = anchor_boxes(settings, response_size)
            count = len(anchors) // response_size**2
            self._anchors[response_size] = (anchors, cosine_window(count, response_size))
        return self._anchors[response_size]

    def _template_levels(self, state: TrackState, frames: Frames) -> dict[str, Levels]:
        side = context_side(*state.size, self.settings.context)
        region = self._region(state, side, self.settings.template_size)
        with self._inference():
            return self.network.template_levels(self._crops(frames, region, state.fill))

    def _with_template(self, state: TrackState, frames: Frames) -> TrackState:
        levels = self._template_levels(state, frames)
        if not levels:
            branches = ", ".join(self.config.model.branches)
            raise ValueError(
                f"the first frame has {' and '.join(frames)}, but the tracker "
                f"{self.config.name!r} has only the branches {branches}"
            )
        with self._inference():
            return replace(state, first_levels=levels, kernels=self.network.kernels(levels))

    def _test_branches(self, state: TrackState, frames: Frames) -> dict[str, float]:
        """Mean overlap of each branch's best box with the target, in displaced crops of a frame."""
        overlaps: dict[str, list[float]] = {name: [] for name in state.kernels}
        (x, y), (w, h) = state.center, state.size
        drift = 0.5 if self.settings.pysot_exact else 0.0
        target = cxcywh_to_xywh(np.array([x + drift, y + drift, w, h]))
        tested = self.settings.test_branches and self.settings.decision == "adaptive"
        for aside, down, zoom in _DISPLACED if tested else ():
            displaced = replace(
                state, center=(x + aside * w, y + down * h), size=(w * zoom, h * zoom)
            )
            region, _ = self._search_region(displaced, self.settings.search_size)
            answers = self._respond(state, self._crops(frames, region, state.fill))
            for name, overlap in overlaps.items():
                found = self._best_box(answers[name], region) if name in answers else None
                overlap.append(0.0 if found is None else float(iou_xywh(found, target)))
        return {name: float(np.mean(values)) for name, values in overlaps.items() if values}

    def _best_box(self, answer: BranchResponse, region: CropRegion) -> NDArray[np.floating]:
        """The box of a branch's most probable anchor, x, y, w, h in image pixels."""
        anchors, window = self._anchor_grid(answer.logit.shape[-1])
        probability, loc = sigmoid(answer.logit).ravel(), answer.loc.reshape(4, -1)
        best = choose(probability, loc, anchors, window, (1.0, 1.0), 0.0, 0.0).box_cxcywh
        return cxcywh_to_xywh(best / region.scale + np.array([*region.center, 0, 0]))

    def _refresh(self, state: TrackState, seen: Frames) -> TrackState:
        """Template update: DFAT's every N frames, and a modality that was missing until now.

        The new template is the first one blended with the present appearance, never with an
        earlier blend, so that errors do not build up (our own choice; DFAT's text leaves it open).
        """
        settings = self.settings
        if state.score < settings.template_update_score:
            return state
        late = {name: frame for name, frame in seen.items() if name not in state.fill}
        if late:
            fill = {name: frame.mean(axis=(0, 1)) for name, frame in late.items()}
            state = replace(state, fill={**state.fill, **fill})
            levels = self._template_levels(state, seen)
            state = self._with_levels(state, {**levels, **state.first_levels}, first=True)
            return replace(state, proof={**state.proof, **self._test_branches(state, seen)})
        every = settings.template_update_every
        if not every or state.frame % every:
            return state
        levels = dict(state.first_levels)
        for name, new in self._template_levels(state, seen).items():
            if name in levels:
                levels[name] = [
                    torch.lerp(old, now, settings.template_update_rate)
                    for old, now in zip(levels[name], new, strict=True)
                ]
        return self._with_levels(state, levels, first=False)

    def _with_levels(self, state: TrackState, levels: dict[str, Levels], first: bool) -> TrackState:
        with self._inference():
            kernels = self.network.kernels(levels)
        return replace(state, kernels=kernels, first_levels=levels if first else state.first_levels)


def _target(
    box: NDArray[np.floating], inside: NDArray[np.floating], width: int, height: int
) -> list[float]:
    """The box as cxcywh, which may reach outside the frame; a hopeless one is cut to the inside.

    Where its centre lies outside, or it is larger than the frame, only what the frame shows of it
    can be followed; and a crop around a box of any size would take any amount of memory.
    """
    whole, visible = xywh_to_cxcywh(box), xywh_to_cxcywh(inside)
    frame = np.array([width, height])
    fits = (whole[:2] >= 0) & (whole[:2] <= frame) & (whole[2:] <= frame)
    return np.where(np.tile(fits, 2), whole, visible).tolist()
