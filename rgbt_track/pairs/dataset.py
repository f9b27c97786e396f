"""Training pairs as the network gets them: (seed, epoch, index) in, arrays out.

All that is random about a pair comes from one generator, so that it does not matter which worker,
rank or attempt makes it. What a branch can know of the target depends on its input: the branch of
a corrupted modality (black, noisy, obscured) is taught that there is no target, that of a frozen
one (a good image, but of another time) or of a missing one is not taught at all.

The order of random draws is part of the format: a seed must give the same pairs in every version.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, xywh_to_cxcywh
from rgbt_track.config.pairs import AugmentConfig, StoreConfig
from rgbt_track.config.tracker import TrackingConfig
from rgbt_track.modalities import BRANCHES, MODALITIES
from rgbt_track.pairs.anchor_targets import AnchorTargets
from rgbt_track.pairs.augment import (
    Images,
    ModalityDropout,
    View,
    ViewSettings,
    corrupt,
    cut_view,
    displace,
    flip,
    photometric,
    stretch,
)
from rgbt_track.pairs.copy_paste import paste
from rgbt_track.pairs.crop_store import StoredCrop
from rgbt_track.pairs.object_paste import paste_distractor, paste_target
from rgbt_track.pairs.occlusion import occlude
from rgbt_track.pairs.point_targets import PointTargets
from rgbt_track.pairs.sampler import CropAddress, Key, PairSampler, pair_generator
from rgbt_track.pairs.teacher_targets import Answers, TeacherTargets
from rgbt_track.synthetic.pseudo_thermal import pseudo_thermal


@dataclass(frozen=True, eq=False)
class Pair:
    """A pair before it becomes arrays, as the preview and the tests need it.

    Args:
        template: the crop of the target.
        search: the crop to find it in.
        negative: the search crop shows another target.
        dropout: the modality that the pair loses, if any.
        missing_modalities: those that one of the two frames never had; black in both.
        clean: template and search images before photometric augmentation and corruption.
    """

    template: View
    search: View
    negative: bool
    dropout: ModalityDropout | None
    missing_modalities: tuple[str, ...]
    clean: tuple[Images, Images]


class PairDataset:
    """A map from (epoch, index) to one training example; picklable, for loader workers.

    An example is a dict: ``template`` and ``search``, each "rgb" and "tir" -> (3, size, size)
    uint8; ``labels`` (3, k, S, S) int8 for the branches rgb, tir, fused, 1 target, 0 background,
    -1 not used; ``loc`` (4, k, S, S) float32, the offsets of a perfect regression; ``box`` (4,)
    float32, the target's cx, cy, w, h in crop pixels from the search crop's center; ``target`` (4,)
    float32, the same in the template crop; ``negative``;
    with a teacher, ``teacher``, what ``TeacherTargets.assign`` returns.

    Args:
        sampler: draws which crops form a pair.
        augment: strengths and probabilities of the augmentation.
        targets: assigns anchors to the target.
        tracking: sizes of template and search crop.
        seed: of all pairs.
        teacher: asked about every pair with a target, if given; nothing random depends on it.
    """

    def __init__(
        self,
        sampler: PairSampler,
        augment: AugmentConfig,
        targets: AnchorTargets | PointTargets,
        tracking: TrackingConfig,
        seed: int,
        teacher: TeacherTargets | None = None,
    ):
        self.sampler = sampler
        self.augment = augment
        self.targets = targets
        self.seed = seed
        self.teacher = teacher
        ratio = tracking.search_size / tracking.template_size
        self.template_settings = ViewSettings(
            tracking.template_size, 1.0, augment.template_shift, augment.template_scale
        )
        self.search_settings = ViewSettings(
            tracking.search_size, ratio, augment.search_shift, augment.search_scale
        )

    def __getitem__(self, key: Key) -> dict[str, object]:
        epoch, index = key
        rng = pair_generator(self.seed, epoch, index)
        pair = self.pair(rng)
        size = self.search_settings.size
        box = _from_center(pair.search.box, size)
        target = _from_center(pair.template.box, self.template_settings.size)
        targets = self.targets.assign(box, pair.negative, rng)
        # One set of labels per branch; those of a lost modality differ.
        labels = np.stack([targets.labels] * len(BRANCHES))
        if pair.dropout is not None:
            is_frozen = pair.dropout.mode == "frozen"
            row = BRANCHES.index(pair.dropout.modality)
            labels[row] = -1 if is_frozen else self.targets.all_background(rng)
        for name in pair.missing_modalities:
            labels[BRANCHES.index(name)] = -1
        example: dict[str, object] = {
            "template": _channels_first(pair.template.images),
            "search": _channels_first(pair.search.images),
            "labels": labels,
            "loc": targets.loc,
            "box": box.astype(np.float32),
            "target": target.astype(np.float32),
            "negative": pair.negative,
        }
        if self.teacher is not None:
            example["teacher"] = self._ask(self.teacher, pair, box)
        return example

    def _ask(self, teacher: TeacherTargets, pair: Pair, box_cxcywh: Boxes) -> Answers:
        """The teacher's targets of a pair; none for branches that cannot know the target."""
        if pair.negative:
            return teacher.nothing()
        lost = () if pair.dropout is None else (pair.dropout.modality,)
        return teacher.assign(*pair.clean, box_cxcywh, {*pair.missing_modalities, *lost})

    def pair(self, rng: np.random.Generator) -> Pair:
        """Draw, read, cut and augment one pair."""
        # Sample the frames and read their crops.
        draw = self.sampler.draw(rng)
        thermal_seed = int(rng.integers(2**31))
        template_crop = self._read(draw.template)
        search_crop = template_crop if draw.search == draw.template else self._read(draw.search)
        # Paste an object in the target's place, and another one beside it.
        if draw.pasted_object is not None:
            template_crop, search_crop = paste_target(
                template_crop,
                search_crop,
                self._read(draw.pasted_object),
                self._geometry(draw.template),
                self._geometry(draw.pasted_object),
                rng,
            )
        if draw.distractor is not None:
            search_crop = paste_distractor(
                search_crop,
                self._read(draw.distractor),
                self._geometry(draw.search),
                self._geometry(draw.distractor),
                rng,
            )
        # Cut the views, with one pseudo-thermal camera for the pair.
        dropout = ModalityDropout.draw(self.augment, rng)
        template = self._view(
            draw.template, template_crop, self.template_settings, rng, thermal_seed
        )
        search = self._view(draw.search, search_crop, self.search_settings, rng, thermal_seed)
        # Paste the target into another scene.
        if draw.background is not None:
            crop, scene_seed = self._read(draw.background), int(rng.integers(2**31))
            scene = self._view(draw.background, crop, self.search_settings, rng, scene_seed)
            search = paste(search, scene, rng)
        # Change the shape of what the search crop shows; drawn only where asked for.
        if self.augment.search_aspect:
            change = rng.uniform(-1, 1) * np.log1p(self.augment.search_aspect)
            search = stretch(search, float(np.exp(change)))
        clean_search = dict(search.images)
        # A frozen modality of the search crop shows the template's frame.
        if dropout and dropout.mode == "frozen" and dropout.modality in search.images:
            name = dropout.modality
            frozen = self._view(
                draw.template, template_crop, self.search_settings, rng, thermal_seed
            )
            if name in frozen.images:
                search.images[name] = frozen.images[name]
        # Flip, change the photometry, corrupt the dropped modality.
        if rng.random() < self.augment.flip:
            template, search = flip(template), flip(search)
            clean_search = {name: image[:, ::-1] for name, image in clean_search.items()}
        clean = (template.images, clean_search)
        # Put something in front of the target; drawn only where asked for.
        if self.augment.occluded and rng.random() < self.augment.occluded:
            template, search = occlude(template, search, rng)
        gray = rng.random() < self.augment.gray
        missing_modalities = tuple(
            name for name in MODALITIES if name not in template.images or name not in search.images
        )
        template_dropout = dropout if dropout and dropout.mode == "obscured" else None
        template = self._change_photometry(template, template_dropout, gray, rng)
        search = self._change_photometry(search, dropout, gray, rng)
        return Pair(
            template=_with_black(template, missing_modalities),
            search=_with_black(search, missing_modalities),
            negative=draw.negative,
            dropout=None if dropout and dropout.modality in missing_modalities else dropout,
            missing_modalities=missing_modalities,
            clean=clean,
        )

    def _read(self, address: CropAddress) -> StoredCrop:
        return self.sampler.stores[address.source].read(address.track, address.position)

    def _geometry(self, address: CropAddress) -> StoreConfig:
        return self.sampler.stores[address.source].geometry

    def _view(
        self,
        address: CropAddress,
        crop: StoredCrop,
        settings: ViewSettings,
        rng: np.random.Generator,
        thermal_seed: int,
    ) -> View:
        """Cut a view; add a pseudo-thermal or a pseudo-visible image if needed.

        ``thermal_seed`` stands for one thermal camera and one temperature of the target.
        """
        jitter = self.augment.registration
        view = cut_view(crop, settings, self._geometry(address), jitter, rng)
        source = self.sampler.sources[address.source]
        if "tir" not in view.images and source.pseudo_thermal:
            view.images["tir"] = self._other_tones(view, "rgb", rng, thermal_seed)
        elif "rgb" not in view.images and source.pseudo_visible:
            gray = self._other_tones(view, "tir", rng, thermal_seed)
            view.images["rgb"] = np.repeat(gray, 3, axis=2)
        return view

    def _other_tones(
        self, view: View, modality: str, rng: np.random.Generator, thermal_seed: int
    ) -> NDArray[np.uint8]:
        """(H, W, 1): one modality in random tones, displaced as another camera's image."""
        image = view.images[modality]
        if image.shape[2] == 1:
            image = np.repeat(image, 3, axis=2)
        tones = pseudo_thermal(image, view.mask, view.box, np.random.default_rng(thermal_seed))
        jitter = self.augment.registration
        return displace(tones, rng.uniform(-jitter, jitter, 2))[..., None]

    def _change_photometry(
        self, view: View, dropout: ModalityDropout | None, gray: bool, rng: np.random.Generator
    ) -> View:
        """Photometric augmentation of each modality, then corruption of the dropped one."""
        images: Images = {}
        for name, image in view.images.items():
            is_gray = gray or name == "tir"
            image = photometric(image, self.augment, self.augment.blur, is_gray, rng)
            if dropout and dropout.modality == name and dropout.mode != "frozen":
                image = corrupt(image, dropout.mode, rng)
            images[name] = image
        return View(images, view.mask, view.box)


def _from_center(box_xywh: Boxes, size: int) -> Boxes:
    """cx, cy, w, h from the center of a crop of this size, in its pixels."""
    return xywh_to_cxcywh(box_xywh) - (size / 2, size / 2, 0, 0)


def _with_black(view: View, modalities: tuple[str, ...]) -> View:
    """A view with black images in place of these modalities."""
    size = next(iter(view.images.values())).shape[:2]
    black = {name: np.zeros((*size, 3), np.uint8) for name in modalities}
    return View({**view.images, **black}, view.mask, view.box)


def _channels_first(images: Images) -> dict[str, NDArray[np.uint8]]:
    """(H, W, 1|3) -> (3, H, W) for each modality."""
    result = {}
    for name, image in images.items():
        planes = image.transpose(2, 0, 1)
        result[name] = np.ascontiguousarray(np.broadcast_to(planes, (3, *planes.shape[1:])))
    return result
