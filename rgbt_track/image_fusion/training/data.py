"""Registered pairs for training image fusion: (epoch, index) in, two grey squares out."""

from __future__ import annotations

from pathlib import Path

import cv2
import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rgbt_track.config.image_fusion import ImageExperiment, ImageTrainingConfig, PairSourceConfig
from rgbt_track.data.open import open_dataset
from rgbt_track.io.frames import prepare_frames
from rgbt_track.io.images import read_rgb, read_tir
from rgbt_track.pairs.sampler import PairBatches
from rgbt_track.training.datamodule import PairLoader

PairFiles = tuple[Path, Path]
Key = tuple[int, int]
_MOST_ZOOM_OUT = 2.0


def find_pairs(sources: tuple[PairSourceConfig, ...], root: str) -> list[PairFiles]:
    """The (visible, thermal) files of all sources, each pair once.

    Raises ``FileNotFoundError`` or ``ValueError`` in one line for missing folders, unequal counts,
    and sources without a second modality.
    """
    found: dict[PairFiles, None] = {}
    for source in sources:
        folder = Path(root).expanduser() / source.folder
        if not folder.is_dir():
            raise FileNotFoundError(
                f"no such folder of pairs: {folder}; training.root is where training.sources lie"
            )
        for sequence in open_dataset(source.dataset, folder, source.split):
            if sequence.rgb is None or sequence.tir is None:
                raise ValueError(f"{folder}: {sequence.name} has one modality; fusion needs both")
            found |= dict.fromkeys(
                zip(sequence.rgb[:: source.every], sequence.tir[:: source.every], strict=True)
            )
    return list(found)


class PairPictures(Dataset[tuple[Tensor, Tensor]]):
    """A map from (epoch, index) to grey squares (1, side, side) in 0..255: visible and infrared.

    All that is random comes from the key and the seed. Picklable, for loader workers.
    """

    def __init__(self, pairs: list[PairFiles], training: ImageTrainingConfig):
        self.pairs, self.training = pairs, training

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.training.seed, *key))
        rgb, tir = self.pairs[int(rng.integers(len(self.pairs)))]
        return self._squares(read_grey(rgb, tir), rng)

    def whole(self, index: int) -> tuple[Tensor, Tensor]:
        """One pair for validation: nothing drawn, the whole picture squeezed."""
        return self._squares(read_grey(*self.pairs[index]), None)

    def _squares(
        self, pictures: tuple[NDArray[np.uint8], ...], rng: np.random.Generator | None
    ) -> tuple[Tensor, Tensor]:
        side = self.training.side
        if self.training.view == "crop":
            pictures = tuple(stretched(x) for x in pictures)
            if rng is not None:
                pictures = _random_square(pictures, side, rng)
        visible, infrared = (
            torch.from_numpy(cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA))[
                None
            ].float()
            for x in pictures
        )
        return visible, infrared


class HeldOut(Dataset[tuple[Tensor, Tensor]]):
    """The validation pairs, in order."""

    def __init__(self, pictures: PairPictures):
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.pictures.whole(index)


class ImagePairData(pl.LightningDataModule):
    """Loaders of an experiment's pairs; finds them, and so fails, when built."""

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
        both = set(self.pairs) & set(self.held_out)
        if both:
            raise ValueError(
                f"{len(both)} validation pairs are trained on, {min(both)[0]} among them"
            )

    def train_dataloader(self) -> PairLoader:
        training, trainer = self.training, self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        batches = PairBatches(training.pairs_per_epoch, training.batch, rank, world)
        pictures = PairPictures(self.pairs, training)
        return PairLoader(pictures, batches, training.workers, self._position)

    def _position(self) -> tuple[int, int]:
        """Epoch and step in it that come next, as in ``PairData``."""
        if self.trainer is None:
            return 0, 0
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        return self.trainer.current_epoch, done

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]] | list[object]:
        if not self.held_out:
            return []
        pictures = HeldOut(PairPictures(self.held_out, self.training))
        return DataLoader(pictures, batch_size=self.training.batch, num_workers=0)


def read_grey(rgb: Path, tir: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both pictures of a pair in grey, of the visible one's size."""
    frames = prepare_frames(read_rgb(rgb), read_tir(tir))
    visible, infrared = (cv2.cvtColor(frames[m], cv2.COLOR_RGB2GRAY) for m in ("rgb", "tir"))
    return visible, infrared


def stretched(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture stretched by its own range to 0..255, as networks see it when they fuse."""
    low, high = int(picture.min()), int(picture.max())
    return ((picture.astype(np.float32) - low) * (255 / max(high - low, 1))).astype(np.uint8)


def _random_square(
    pictures: tuple[NDArray[np.uint8], ...], side: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], ...]:
    """The same random square of each, ``side`` to twice that wide, mirrored every second time."""
    height, width = pictures[0].shape
    cut = min(round(side * rng.uniform(1.0, _MOST_ZOOM_OUT)), height, width)
    top, left = (int(rng.integers(size - cut + 1)) for size in (height, width))
    mirrored = rng.random() < 0.5
    cuts = (x[top : top + cut, left : left + cut] for x in pictures)
    return tuple(x[:, ::-1] if mirrored else x for x in cuts)
