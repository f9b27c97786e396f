"""The tracker: numpy in, numpy out, and the only place that knows frames, crops and state.

One frame pair enters ``update``; both modalities are cut with one ``CropRegion``, go through the
network in one batch, their branches are joined (``decision``), one anchor is selected
(``selection``), and the same region maps its box back (``geometry``). State is a value: ``update``
returns a new one and leaves the old one as it was, so several targets can share one ``Tracker``,
and a run can be replayed from any frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.boxes import cxcywh_to_xywh, iou_xywh, keep_inside_xywh, xywh_to_cxcywh
from rgbt_track.config.tracker import Config, TrackingConfig
from rgbt_track.crops import CropRegion
from rgbt_track.io.frames import Frame, Frames, check_box, is_blank, prepare_frames
from rgbt_track.models.engines.batches import search_many
from rgbt_track.models.engines.interface import BranchResponse, Engine, Template
from rgbt_track.models.grid import grid_cells
from rgbt_track.tracking.decision import DECISIONS, DecisionContext
from rgbt_track.tracking.geometry import CropGeometry, PysotGeometry
from rgbt_track.tracking.identity import check_owner, tracker_identity
from rgbt_track.tracking.recalibration import recalibrate
from rgbt_track.tracking.selection import select_anchor, select_anchors
from rgbt_track.tracking.state import TrackState

if TYPE_CHECKING:
    import torch

    from rgbt_track.models.network import RGBTNetwork

# Crops that calibrate the branches: displacement in target widths and heights, and zoom.
_DISPLACEMENTS = ((0, 0, 1), (0.5, 0.3, 1.1), (-0.5, -0.3, 0.9), (0.3, -0.5, 1.1), (-0.3, 0.5, 0.9))


class Tracker:
    """A trained network with a tracking loop around it.

    Args:
        network: built by ``build_network``, to be run by torch; or an ``Engine``.
        config: its settings; ``config.model`` is what the network was built from.
        device: where torch runs the network, a ``torch`` device name.

    Raises ``ValueError`` for crop sizes that would leave the features off the crops' center.
    """

    def __init__(
        self, network: RGBTNetwork | Engine, config: Config, device: str | torch.device = "cpu"
    ) -> None:
        self.config = config
        self.settings: TrackingConfig = config.tracking
        sizes = (self.settings.template_size, self.settings.search_size)
        for size in (*sizes, self.settings.wide_search_size or sizes[1]):
            grid_cells(size, config.model.anchors.stride)
        self.engine = _engine(network, device, self.settings.threads)
        geometry = PysotGeometry if self.settings.pysot_exact else CropGeometry
        self.geometry = geometry(self.settings)
        self._decide = DECISIONS[self.settings.decision]

    @cached_property
    def identity(self) -> str:
        """Its name and a digest of settings, weights and kind of engine.

        Trackers of one identity can go on with each other's states. An exported tracker has
        another one than the tracker that it was exported from; two that load the same export have
        the same one.
        """
        return tracker_identity(self.config, self.engine)

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
        frames = _without_blank(frames) or frames
        # The box to report lies inside the frame; the target may reach beyond it.
        box = check_box(box, width, height)
        inside = keep_inside_xywh(box, width, height, self.settings.smallest_side)
        x, y, w, h = _initial_target(box, inside, width, height)
        state = TrackState(
            box=inside,
            score=1.0,
            modalities=tuple(frames),
            confidence={},
            reliability={},
            frame=0,
            frame_size=(width, height),
            center=(x, y),
            size=(w, h),
            pad_value=_channel_means(frames),
            first_template={},
            template={},
            tracker=self.identity,
        )
        # The template, and how well each branch finds the target with it.
        template = self._template(state, frames)
        if not template:
            branches = ", ".join(self.config.model.branches)
            raise ValueError(
                f"the first frame has {' and '.join(frames)}, but the tracker "
                f"{self.config.name!r} has only the branches {branches}"
            )
        state = replace(state, first_template=template, template=template)
        return replace(state, reliability=self._calibrate_branches(state, frames))

    def update(self, rgb: Frame, tir: Frame, state: TrackState) -> TrackState:
        """Find the target in the next frame; frames as in ``init``.

        Tracking continues on one modality where the other is ``None``, black or constant. When
        neither shows anything, the box stays and the score is 0. Frames of another resolution than
        the first are resized. Raises ``ValueError`` for unfit frames, and for a state of another
        tracker: one with other settings or weights, or of an engine that keeps templates otherwise.
        """
        return self.update_many(rgb, tir, [state])[0]

    def update_many(self, rgb: Frame, tir: Frame, states: Sequence[TrackState]) -> list[TrackState]:
        """Find several targets in the next frame, their crops searched in one batch.

        The frames are looked at once for all targets. States come back in their order, each as
        ``update`` gives it, to rounding; the targets know nothing of each other.
        """
        for state in states:
            check_owner(state, self.identity)
        missing = rgb is None and tir is None
        frames = {
            size: {} if missing else _without_blank(prepare_frames(rgb, tir, size))
            for size in {state.frame_size for state in states}
        }
        results, targets = [], []
        for state in states:
            shown = frames[state.frame_size]
            state = replace(state, score=0.0, modalities=tuple(shown), frame=state.frame + 1)
            results.append(state)
            # Only modalities that have a template can be searched.
            searchable = {name: frame for name, frame in shown.items() if name in state.pad_value}
            if searchable:
                targets.append((len(results) - 1, _Target(state, searchable)))
        found = self._search([target for _, target in targets], self.settings.search_size)
        found = self._search_wider([target for _, target in targets], found)
        settings = self.settings
        for (index, _), state in zip(targets, found, strict=True):
            state = self._update_template(state, frames[state.frame_size])
            # Only the score that is reported is recalibrated; the loop's own thresholds are on the
            # raw one.
            score = recalibrate(state.score, settings.score_scale, settings.score_bias)
            results[index] = replace(state, score=score)
        return results

    def _search(self, targets: Sequence[_Target], size: int) -> list[TrackState]:
        """Search crops of ``size`` pixels, on the same scale for any size."""
        # One square around the last position for both modalities.
        regions = [self.geometry.search_region(target.state, size) for target in targets]
        crops = [
            self._crops(*target, region) for target, region in zip(targets, regions, strict=True)
        ]
        templates = [target.state.template for target in targets]
        responses = search_many(self.engine, templates, crops)
        return [
            self._located(target.state, region, _finite(response))
            for target, region, response in zip(targets, regions, responses, strict=True)
        ]

    def _located(
        self, state: TrackState, region: CropRegion, responses: dict[str, BranchResponse]
    ) -> TrackState:
        """The state with the box that the responses to a region show; as it is without any."""
        settings = self.settings
        if not responses:
            return state
        # Decision-level fusion of the branches.
        width, height = np.array(state.size) * self.geometry.scale(state, region)
        select = partial(
            select_anchors,
            anchors=self.config.model.anchors,
            size_in_crop=(width, height),
            penalty_k=settings.penalty_k,
            window_influence=settings.window_influence,
            voting_overlap=settings.voting_overlap,
        )
        constants = settings.decision_constants
        context = DecisionContext(select, state.confidence, state.reliability, constants)
        decision = self._decide(responses, context)
        # Best anchor after SiamRPN's penalty and cosine window.
        selection = select(decision.probability[None], decision.loc[None])[0]
        # Back to image coordinates; the size follows at SiamRPN's rate.
        box = self.geometry.to_image(selection.box_cxcywh, state, region)
        rate = selection.penalty * selection.probability * settings.size_lr
        mixed_size = np.array(state.size) * (1 - rate) + box[2:] * rate
        center, target_size = self.geometry.clip(box[:2], mixed_size, state.frame_size)
        return replace(
            state,
            box=self.geometry.box(center, target_size, state.frame_size),
            score=min(max(selection.probability, 0.0), 1.0),
            confidence=decision.confidence,
            center=center,
            size=target_size,
        )

    def _search_wider(
        self, targets: Sequence[_Target], found: Sequence[TrackState]
    ) -> list[TrackState]:
        """A second search in a wider crop where the score is low: finds targets that jump."""
        settings, results = self.settings, list(found)
        indices = [
            index
            for index, (target, state) in enumerate(zip(targets, found, strict=True))
            if settings.wide_search_size
            and state.score < settings.wide_search_below
            and not self._shows_all(target.state)
        ]
        wider = self._search([targets[index] for index in indices], settings.wide_search_size)
        for index, wide in zip(indices, wider, strict=True):
            state = found[index]
            if wide.score >= max(settings.wide_search_score, state.score):
                # Confidences compare responses of one crop size.
                results[index] = replace(wide, confidence=state.confidence)
        return results

    def _shows_all(self, state: TrackState) -> bool:
        """Whether the search crop shows the whole frame."""
        region = self.geometry.search_region(state, self.settings.search_size)
        return region.covers(*state.frame_size)

    def _update_template(self, state: TrackState, frames: Frames) -> TrackState:
        """Template update: DFAT's every N frames, and a modality that was missing until now.

        The new template is the first one blended with the present appearance, never with an
        earlier blend, so that errors do not build up; or, as in DFAT's code, the last blend is.
        """
        settings = self.settings
        if state.score < settings.template_update_score:
            return state
        # A modality that comes late joins the first template.
        late = {name: frame for name, frame in frames.items() if name not in state.pad_value}
        if late:
            state = replace(state, pad_value={**state.pad_value, **_channel_means(late)})
            template = {**self._template(state, frames), **state.first_template}
            state = replace(state, first_template=template, template=template)
            reliability = self._calibrate_branches(state, frames)
            return replace(state, reliability={**state.reliability, **reliability})
        # Every N frames, the present appearance is blended in.
        every = settings.template_update_every
        if not every or state.frame % every:
            return state
        present = self._template(state, frames)
        old = state.template if settings.template_update_from == "last" else state.first_template
        blend = self.engine.blend(old, present, settings.template_update_rate)
        return replace(state, template=blend)

    def _calibrate_branches(self, state: TrackState, frames: Frames) -> dict[str, float]:
        """Reliability: mean overlap of each branch's best box with the target in displaced crops.

        Empty without ``calibrate_branches``, and for decisions that have no use for it.
        """
        settings = self.settings
        if not settings.calibrate_branches or settings.decision == "fixed":
            return {}
        (x, y), (w, h) = state.center, state.size
        target = cxcywh_to_xywh([x, y, w, h])
        overlaps: dict[str, list[float]] = {name: [] for name in state.template}
        for right, down, zoom in _DISPLACEMENTS:
            # A crop that is centered beside the target, on another scale.
            center, size = (x + right * w, y + down * h), (w * zoom, h * zoom)
            displaced = replace(state, center=center, size=size)
            region = self.geometry.search_region(displaced, settings.search_size)
            crops = self._crops(state, frames, region)
            responses = _finite(self.engine.search(state.template, crops))
            # Each branch's most probable box; a branch without a response overlaps by 0.
            for name, values in overlaps.items():
                response = responses.get(name)
                values.append(0.0 if response is None else self._overlap(response, region, target))
        return {name: float(np.mean(values)) for name, values in overlaps.items()}

    def _overlap(
        self, response: BranchResponse, region: CropRegion, target_xywh: ArrayLike
    ) -> float:
        """Overlap with a target of a response's most probable box, without penalty and window."""
        selection = select_anchor(
            response.probability,
            response.loc,
            anchors=self.config.model.anchors,
            size_in_crop=(1.0, 1.0),
            penalty_k=0.0,
            window_influence=0.0,
            voting_overlap=self.settings.voting_overlap,
        )
        box = cxcywh_to_xywh(region.centered_to_image(selection.box_cxcywh))
        return float(iou_xywh(box, target_xywh))

    def _template(self, state: TrackState, frames: Frames) -> Template:
        """Template features of the branches, from a crop around the target of ``state``."""
        region = self.geometry.template_region(state)
        (x, y), (w, h) = state.center, state.size
        target = xywh_to_cxcywh(region.image_to_crop(cxcywh_to_xywh([x, y, w, h])))
        target[:2] -= region.size / 2
        crops = self._crops(state, frames, region)
        return self.engine.template(crops, target[None].astype(np.float32))

    def _crops(
        self, state: TrackState, frames: Frames, region: CropRegion
    ) -> dict[str, NDArray[np.float32]]:
        """Modality -> its crop (1, 3, S, S)."""
        crops = {}
        for name, frame in frames.items():
            crop = region.cut(frame, state.pad_value[name])
            crops[name] = crop.transpose(2, 0, 1)[None].astype(np.float32)
        if self.settings.thermal_mean_shift and len(crops) == 2:
            crops["tir"] += crops["rgb"].mean() - crops["tir"].mean()
        return crops


def _engine(network: RGBTNetwork | Engine, device: str | torch.device, threads: int) -> Engine:
    """An engine as it is; a network run by torch."""
    if isinstance(network, Engine):
        return network
    # Exported trackers run without torch, which takes longer to import than they take to start.
    from rgbt_track.models.engines.torch_engine import TorchEngine

    return TorchEngine(network, device, threads)


class _Target(NamedTuple):
    """One of the targets of a frame: its state before the search, and the frames to search."""

    state: TrackState
    frames: Frames


def _finite(responses: dict[str, BranchResponse]) -> dict[str, BranchResponse]:
    """Without those that hold NaN or infinity."""
    return {name: response for name, response in responses.items() if response.is_finite}


def _without_blank(frames: Frames) -> Frames:
    return {name: frame for name, frame in frames.items() if not is_blank(frame)}


def _channel_means(frames: Frames) -> dict[str, NDArray[np.floating]]:
    return {name: frame.mean(axis=(0, 1)) for name, frame in frames.items()}


def _initial_target(
    box: NDArray[np.floating], inside: NDArray[np.floating], width: int, height: int
) -> list[float]:
    """The box as cxcywh, which may reach outside the frame; a hopeless one is cut to the inside.

    Where its center lies outside, or it is larger than the frame, only what the frame shows of it
    can be followed; and a crop around a box of any size would take any amount of memory.
    """
    whole, visible = xywh_to_cxcywh(box), xywh_to_cxcywh(inside)
    frame = np.array([width, height])
    fits = (whole[:2] >= 0) & (whole[:2] <= frame) & (whole[2:] <= frame)
    return np.where(np.tile(fits, 2), whole, visible).tolist()
