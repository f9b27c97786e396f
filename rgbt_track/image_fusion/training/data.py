"""Registered pairs for training image fusion: (epoch, index) in, two gray squares out.

The order of random draws is part of the format: a seed must give the same squares in every version.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rgbt_track.config.image_fusion import ImageExperiment, ImageTrainingConfig, PairSourceConfig
from rgbt_track.data.description import load_description
from rgbt_track.data.open import open_dataset
from rgbt_track.io.frames import prepare_frames
from rgbt_track.io.images import read_rgb, read_tir
from rgbt_track.pairs.sampler import PairBatches
from rgbt_track.training.datamodule import PairLoader
from rgbt_track.training.lightning_internals import next_position, rank_and_world

Image = NDArray[np.uint8]
PairFiles = tuple[Path, Path]
Key = tuple[int, int]
_MAX_ZOOM_OUT = 2.0
_ORDER, _CHOICE = 1 << 40, 1 << 41  # no index of a pair


def find_pairs(sources: tuple[PairSourceConfig, ...], root: str) -> list[PairFiles]:
    """The (visible, thermal) files of all sources, each pair once.

    Raises ``FileNotFoundError`` or ``ValueError`` in one line for missing folders, unequal counts,
    and sources without a second modality.
    """
    pairs: dict[PairFiles, None] = {}
    for source in sources:
        folder = Path(root).expanduser() / source.folder
        if not folder.is_dir():
            raise FileNotFoundError(_missing(source, folder))
        for sequence in open_dataset(source.dataset, folder, source.split):
            if sequence.rgb is None or sequence.tir is None:
                raise ValueError(f"{folder}: {sequence.name} has one modality; fusion needs both")
            pairs |= dict.fromkeys(
                zip(
                    sequence.image_files("rgb")[:: source.every],
                    sequence.image_files("tir")[:: source.every],
                    strict=True,
                )
            )
    return list(pairs)


def _missing(source: PairSourceConfig, folder: Path) -> str:
    """What to do where the folder of a source is not."""
    text = f"no such folder of pairs: {folder}; training.root is where training.sources lie"
    description = load_description(source.dataset)
    if description.source:  # a public set, which not everybody has
        text += f". {description.title} is at {description.source}; to train on other pairs: "
        text += "training.distinct_pairs=0 'training.sources=[{dataset: pairs, folder: FOLDER}]'"
    return text


class PairImages(Dataset[tuple[Tensor, Tensor]]):
    """A map from (epoch, index) to gray squares (1, side, side) in 0..255: visible and infrared.

    All that is random comes from the key and the seed. Picklable, for loader workers.
    """

    def __init__(self, pairs: list[PairFiles], training: ImageTrainingConfig):
        self.pairs, self.training = pairs, training
        self.chosen = chosen_pairs(len(pairs), training) if training.distinct_pairs else None
        self._order: tuple[int, NDArray[np.intp]] = -1, np.array([], np.intp)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.training.seed, *key))
        files = self._draw(key, rng)
        images = self._read(files)
        if self.training.view == "resize":
            return self._to_squares(images)
        # The same random square of both, up to twice as wide, every second one mirrored.
        height, width = images[0].shape
        side = round(self.training.side * rng.uniform(1.0, _MAX_ZOOM_OUT))
        side = min(side, height, width)
        top, left = (int(rng.integers(size - side + 1)) for size in (height, width))
        step = -1 if rng.random() < 0.5 else 1
        crops = [image[top : top + side, left : left + side][:, ::step] for image in images]
        return self._to_squares(crops)

    def _draw(self, key: Key, rng: np.random.Generator) -> PairFiles:
        """The pair of a key: one of all, or the next of this epoch's order of the chosen ones."""
        if self.chosen is None:
            return self.pairs[int(rng.integers(len(self.pairs)))]
        epoch, index = key
        if epoch != self._order[0]:
            generator = np.random.default_rng((self.training.seed, epoch, _ORDER))
            self._order = epoch, generator.permutation(self.chosen)
        return self.pairs[int(self._order[1][index])]

    def whole(self, index: int) -> tuple[Tensor, Tensor]:
        """One pair for validation: nothing is drawn, the whole image is resized to the square."""
        return self._to_squares(self._read(self.pairs[index]))

    def _read(self, files: PairFiles) -> list[Image]:
        images = read_gray(*files)
        return [stretch_range(x) for x in images] if self.training.view == "crop" else [*images]

    def _to_squares(self, images: list[Image]) -> tuple[Tensor, Tensor]:
        size = (self.training.side, self.training.side)
        visible, infrared = (
            torch.from_numpy(cv2.resize(image, size, interpolation=cv2.INTER_AREA))[None].float()
            for image in images
        )
        return visible, infrared


def chosen_pairs(count: int, training: ImageTrainingConfig) -> NDArray[np.intp]:
    """The ``distinct_pairs`` of ``count`` pairs that a run trains on, by its seed; sorted.

    Raises ``ValueError`` where there are fewer.
    """
    if training.distinct_pairs > count:
        raise ValueError(
            f"training.distinct_pairs is {training.distinct_pairs}, but the sources have {count} "
            "pairs: give more data, or distinct_pairs=0 pairs_per_epoch=... to repeat them"
        )
    generator = np.random.default_rng((training.seed, _CHOICE))
    return np.sort(generator.choice(count, training.distinct_pairs, replace=False))


class ValidationPairs(Dataset[tuple[Tensor, Tensor]]):
    """The validation pairs, in order."""

    def __init__(self, images: PairImages):
        self.images = images

    def __len__(self) -> int:
        return len(self.images.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images.whole(index)


class ImagePairData(pl.LightningDataModule):
    """Loaders of an experiment's pairs.

    Raises ``ValueError`` or ``FileNotFoundError`` in one line when the pairs cannot be found.
    """

    def __init__(self, experiment: ImageExperiment):
        super().__init__()
        training = self.training = experiment.training
        if not training.sources:
            raise ValueError(
                "nothing to train on: give the experiment training.sources, for instance "
                "training.root=DATA 'training.sources=[{dataset: pairs, folder: roadscene}]'"
            )
        self.pairs = find_pairs(training.sources, training.root)
        self.held_out = find_pairs(training.validation, training.root)
        if training.distinct_pairs:
            chosen_pairs(len(self.pairs), training)
        shared = set(self.pairs) & set(self.held_out)
        if shared:
            raise ValueError(
                f"{len(shared)} validation pairs are trained on, {min(shared)[0]} among them"
            )

    def train_dataloader(self) -> PairLoader:
        """Pairs of this rank, from where the Trainer is."""
        training = self.training
        ranks = rank_and_world(self.trainer)
        batches = PairBatches(training.pairs_per_epoch, training.batch, *ranks)
        images = PairImages(self.pairs, training)
        position = partial(next_position, self.trainer)
        return PairLoader(images, batches, training.workers, position)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]] | list[object]:
        """The held-out pairs, if any."""
        if not self.held_out:
            return []
        pairs = ValidationPairs(PairImages(self.held_out, self.training))
        return DataLoader(pairs, batch_size=self.training.batch, num_workers=0)


def read_gray(rgb: Path, tir: Path) -> tuple[Image, Image]:
    """Both images of a pair in gray, of the visible one's size."""
    frames = prepare_frames(read_rgb(rgb), read_tir(tir))
    visible, infrared = (cv2.cvtColor(frames[m], cv2.COLOR_RGB2GRAY) for m in ("rgb", "tir"))
    return visible, infrared


def stretch_range(image: Image) -> Image:
    """An image stretched by its own range to 0..255, as networks get it for fusing."""
    low, high = int(image.min()), int(image.max())
    return ((image.astype(np.float32) - low) * (255 / max(high - low, 1))).astype(np.uint8)
