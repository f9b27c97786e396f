"""Training pairs as the network gets them: (seed, epoch, index) in, arrays out.

All that is random about a pair comes from one generator, so that it does not matter which worker,
rank or attempt makes it. What each branch can know of the target differs: a spoilt modality's
branch is taught that it sees none (black, noisy) or nothing at all (frozen: its picture is good,
but old).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import xywh_to_cxcywh
from rgbt_track.config import TrackingConfig
from rgbt_track.data.augment import (
    Cut,
    Dropout,
    Images,
    View,
    cut_view,
    draw_dropout,
    flip,
    photometric,
    spoil,
)
from rgbt_track.data.pseudo_thermal import pseudo_thermal
from rgbt_track.data.sampler import CropAddress, PairSampler, pair_generator
from rgbt_track.data.targets import AnchorTargets, Targets
from rgbt_track.data.tracks import MODALITIES, StoredCrop
from rgbt_track.training.config import AugmentConfig, StoreConfig

Key = tuple[int, int]
_BRANCHES = (*MODALITIES, "fused")


@dataclass(frozen=True, eq=False)
class Pair:
    """A pair before it becomes arrays: for pictures and for tests."""

    template: View
    search: View
    negative: bool
    dropout: Dropout | None


class PairDataset:
    """A map from (epoch, index) to one training example; picklable, for loader workers.

    An example is a dict: ``template`` and ``search``, each "rgb" and "tir" -> (3, size, size)
    uint8; ``labels`` (3, k, S, S) int8 for the branches rgb, tir, fused, 1 target, 0 background,
    -1 not used; ``loc`` (4, k, S, S) float32, the offsets of a perfect regression; ``box`` (4,)
    float32, the target's cx, cy, w, h in crop pixels from the search crop's centre; ``negative``.
    """

    def __init__(
        self,
        sampler: PairSampler,
        augment: AugmentConfig,
        targets: AnchorTargets,
        tracking: TrackingConfig,
        seed: int,
    ):
        self.sampler = sampler
        self.augment = augment
        self.targets = targets
        self.seed = seed
        ratio = tracking.search_size / tracking.template_size
        self.template_cut = Cut(
            tracking.template_size, 1.0, augment.template_shift, augment.template_scale
        )
        self.search_cut = Cut(
            tracking.search_size, ratio, augment.search_shift, augment.search_scale
        )

    def __getitem__(self, key: Key) -> dict[str, object]:
        epoch, index = key
        rng = pair_generator(self.seed, epoch, index)
        pair = self.pair(rng)
        size = self.search_cut.size
        box = xywh_to_cxcywh(pair.search.box) - (size / 2, size / 2, 0, 0)
        targets = self.targets.assign(box, pair.negative, rng)
        return {
            "template": _channels_first(pair.template.images),
            "search": _channels_first(pair.search.images),
            "labels": self._labels(targets, pair, rng),
            "loc": targets.loc,
            "box": box.astype(np.float32),
            "negative": pair.negative,
        }

    def pair(self, rng: np.random.Generator) -> Pair:
        """Draw, read, cut and change one pair."""
        draw = self.sampler.draw(rng)
        style = int(rng.integers(2**31))
        template_crop = self._read(draw.template)
        search_crop = template_crop if draw.search == draw.template else self._read(draw.search)
        dropout = draw_dropout(self.augment, rng)
        geometry = self.sampler.stores[draw.template.source].geometry
        template = self._view(template_crop, self.template_cut, geometry, rng, style)
        other = self.sampler.stores[draw.search.source].geometry
        search = self._view(search_crop, self.search_cut, other, rng, style)
        if dropout is not None and dropout.way == "frozen":
            old = self._view(template_crop, self.search_cut, geometry, rng, style)
            search.images[dropout.name] = old.images[dropout.name]
        if rng.random() < self.augment.flip:
            template, search = flip(template), flip(search)
        gray = rng.random() < self.augment.gray
        template = self._changed(template, None, gray, rng)
        return Pair(template, self._changed(search, dropout, gray, rng), draw.negative, dropout)

    def _read(self, address: CropAddress) -> StoredCrop:
        return self.sampler.stores[address.source].read(address.track, address.position)

    def _view(
        self,
        crop: StoredCrop,
        cut: Cut,
        geometry: StoreConfig,
        rng: np.random.Generator,
        style: int,
    ) -> View:
        """Cut, and complete to both modalities; ``style`` is one thermal camera and one target."""
        view = cut_view(crop, cut, geometry, self.augment.registration, rng)
        if "tir" not in view.images:
            thermal = pseudo_thermal(
                view.images["rgb"], view.mask, view.box, np.random.default_rng(style)
            )
            view.images["tir"] = thermal[..., None]
        elif "rgb" not in view.images:
            view.images["rgb"] = np.zeros((cut.size, cut.size, 3), np.uint8)
        return view

    def _changed(
        self, view: View, dropout: Dropout | None, gray: bool, rng: np.random.Generator
    ) -> View:
        images: Images = {}
        for name in MODALITIES:
            image = view.images[name]
            colourless = gray or name == "tir"
            image = photometric(image, self.augment, self.augment.blur, colourless, rng)
            if dropout is not None and dropout.name == name and dropout.way != "frozen":
                image = spoil(image, dropout.way, rng)
            images[name] = image
        return View(images, view.mask, view.box)

    def _labels(self, targets: Targets, pair: Pair, rng: np.random.Generator) -> NDArray[np.int8]:
        labels = np.stack([targets.labels] * len(_BRANCHES))
        if pair.dropout is not None:
            row = _BRANCHES.index(pair.dropout.name)
            frozen = pair.dropout.way == "frozen"
            labels[row] = -1 if frozen else self.targets.all_background(rng)
        return labels


def _channels_first(images: Images) -> dict[str, NDArray[np.uint8]]:
    result = {}
    for name, image in images.items():
        planes = image.transpose(2, 0, 1)
        result[name] = np.ascontiguousarray(np.broadcast_to(planes, (3, *planes.shape[1:])))
    return result
