"""Training pairs as the network gets them: (seed, epoch, index) in, arrays out.

All that is random about a pair comes from one generator, so that it does not matter which worker,
rank or attempt makes it. What each branch can know of the target differs: a spoilt modality's
branch is taught that it sees none (black, noisy, veiled) or nothing at all (frozen: its picture is
good, but old), and so is the branch of a modality that the material lacks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import xywh_to_cxcywh
from rgbt_track.config.pairs import AugmentConfig
from rgbt_track.config.tracker import TrackingConfig
from rgbt_track.modalities import MODALITIES
from rgbt_track.pairs.anchor_targets import AnchorTargets, Targets
from rgbt_track.pairs.augment import (
    Cut,
    Dropout,
    Images,
    View,
    cut_view,
    displace,
    draw_dropout,
    flip,
    photometric,
    spoil,
)
from rgbt_track.pairs.copy_paste import paste
from rgbt_track.pairs.crop_store import StoredCrop
from rgbt_track.pairs.sampler import CropAddress, Key, PairSampler, pair_generator
from rgbt_track.synthetic.pseudo_thermal import pseudo_thermal

_BRANCHES = (*MODALITIES, "fused")


@dataclass(frozen=True, eq=False)
class Pair:
    """A pair before it becomes arrays: for pictures and for tests."""

    template: View
    search: View
    negative: bool
    dropout: Dropout | None
    missing: tuple[str, ...]


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
        template = self._view(draw.template, template_crop, self.template_cut, rng, style)
        search = self._view(draw.search, search_crop, self.search_cut, rng, style)
        if draw.background is not None:
            crop, look = self._read(draw.background), int(rng.integers(2**31))
            scene = self._view(draw.background, crop, self.search_cut, rng, look)
            search = paste(search, scene, rng)
        if dropout is not None and dropout.way == "frozen" and dropout.name in search.images:
            old = self._view(draw.template, template_crop, self.search_cut, rng, style)
            search.images.update({n: i for n, i in old.images.items() if n == dropout.name})
        if rng.random() < self.augment.flip:
            template, search = flip(template), flip(search)
        gray = rng.random() < self.augment.gray
        missing = tuple(
            name for name in MODALITIES if name not in template.images or name not in search.images
        )
        lasting = dropout if dropout is not None and dropout.way == "veiled" else None
        return Pair(
            template=_without(missing, self._changed(template, lasting, gray, rng)),
            search=_without(missing, self._changed(search, dropout, gray, rng)),
            negative=draw.negative,
            dropout=None if dropout is not None and dropout.name in missing else dropout,
            missing=missing,
        )

    def _read(self, address: CropAddress) -> StoredCrop:
        return self.sampler.stores[address.source].read(address.track, address.position)

    def _view(
        self,
        address: CropAddress,
        crop: StoredCrop,
        cut: Cut,
        rng: np.random.Generator,
        style: int,
    ) -> View:
        """Cut, and invent a thermal channel; ``style`` stands for one camera and one target."""
        geometry = self.sampler.stores[address.source].geometry
        jitter = self.augment.registration
        view = cut_view(crop, cut, geometry, jitter, rng)
        if "tir" not in view.images and self.sampler.sources[address.source].pseudo_thermal:
            thermal = pseudo_thermal(
                view.images["rgb"], view.mask, view.box, np.random.default_rng(style)
            )
            view.images["tir"] = displace(thermal, rng.uniform(-jitter, jitter, 2))[..., None]
        return view

    def _changed(
        self, view: View, dropout: Dropout | None, gray: bool, rng: np.random.Generator
    ) -> View:
        images: Images = {}
        for name, image in view.images.items():
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
        for name in pair.missing:
            labels[_BRANCHES.index(name)] = -1
        return labels


def _without(missing: tuple[str, ...], view: View) -> View:
    """Black in place of what one side of the pair lacks."""
    size = next(iter(view.images.values())).shape[:2]
    black = {name: np.zeros((*size, 3), np.uint8) for name in missing}
    return View({**view.images, **black}, view.mask, view.box)


def _channels_first(images: Images) -> dict[str, NDArray[np.uint8]]:
    result = {}
    for name, image in images.items():
        planes = image.transpose(2, 0, 1)
        result[name] = np.ascontiguousarray(np.broadcast_to(planes, (3, *planes.shape[1:])))
    return result
