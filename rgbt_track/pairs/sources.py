"""Opening the ``sources:`` of an experiment as stores, its ``validation:`` as sequences."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from collections.abc import Sequence as Series
from fnmatch import fnmatchcase
from pathlib import Path

from rgbt_track.config.pairs import SourceConfig
from rgbt_track.config.tracker import Config
from rgbt_track.config.training import TrainingConfig
from rgbt_track.data import open_dataset
from rgbt_track.data.sequence import Sequence
from rgbt_track.models.grid import grid_cells
from rgbt_track.models.teacher import load_teacher
from rgbt_track.pairs.anchor_targets import AnchorTargets
from rgbt_track.pairs.crop_store import FileStore, StoredCrop, TrackStore
from rgbt_track.pairs.dataset import PairDataset
from rgbt_track.pairs.lmdb_store import LmdbStore
from rgbt_track.pairs.point_targets import PointTargets
from rgbt_track.pairs.sampler import PairSampler
from rgbt_track.pairs.teacher_targets import TeacherTargets


def open_sampler(config: TrainingConfig) -> PairSampler:
    """Open every training source; ``ValueError`` or ``FileNotFoundError`` in one line."""
    if not config.sources:
        raise ValueError("training.sources is empty: name at least one data set to train on")
    stores = [open_store(source, config) for source in config.sources]
    return PairSampler(
        stores,
        config.sources,
        config.negative,
        config.paste,
        config.lookalike,
        config.paste_objects,
        config.distractors,
    )


def open_store(source: SourceConfig, config: TrainingConfig) -> TrackStore:
    """The store of one source, with only the tracks that it selects."""
    if source.lmdb is None:
        return FileStore(open_sequences(source, config), config.store)
    store = LmdbStore(Path(config.root).expanduser() / source.lmdb)
    if store.geometry.context != config.store.context:
        raise ValueError(
            f"{store.path}: packed with context {store.geometry.context}, training uses "
            f"{config.store.context}"
        )
    return StoreSubset(store, select_names([track.name for track in store.tracks], source))


def open_sequences(source: SourceConfig, config: TrainingConfig) -> list[Sequence]:
    """The sequences of a source that is a data set on disk."""
    if source.dataset is None:
        raise ValueError(f"{source.label}: validation needs whole frames: give dataset and folder")
    folder = Path(config.root).expanduser() / source.folder
    sequences = open_dataset(source.dataset, folder, source.split)
    return [sequences[i] for i in select_names([item.name for item in sequences], source)]


class StoreSubset:
    """A ``TrackStore`` with some of the tracks of another, given by their numbers there."""

    def __init__(self, store: TrackStore, numbers: Series[int]):
        self._store = store
        self._numbers = numbers
        self.geometry = store.geometry
        self.tracks = [store.tracks[number] for number in numbers]

    def read(self, track: int, position: int) -> StoredCrop:
        """See ``TrackStore``."""
        return self._store.read(self._numbers[track], position)


def select_names(names: Series[str], source: SourceConfig) -> list[int]:
    """Positions of the names that a source takes; ``ValueError`` for a pattern without a match."""
    for pattern in (*source.sequences, *source.exclude):
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(
                f"{source.label}: no sequence fits {pattern!r}; there are {', '.join(names[:8])}"
                + (", ..." if len(names) > 8 else "")
            )

    def is_nth(name: str, count: int) -> bool:
        """Whether a name is one in ``count``: the same on every machine and in every store."""
        return count > 0 and zlib.crc32(name.encode()) % count == 0

    selected = [
        position
        for position, name in enumerate(names)
        if any(fnmatchcase(name, pattern) for pattern in source.sequences or ("*",))
        and not any(fnmatchcase(name, pattern) for pattern in source.exclude)
        and not is_nth(name, source.leave_out)
        and (not source.left_out or is_nth(name, source.left_out))
    ]
    if not selected:
        raise ValueError(f"{source.label}: no sequence is left after sequences and exclude")
    return selected


def check_held_out(sampler: PairSampler, sequences: Iterable[Sequence]) -> None:
    """``ValueError`` when a sequence to validate on has the name of one that is trained on."""
    training_names = {track.name for store in sampler.stores for track in store.tracks}
    shared = sorted(training_names & {sequence.name for sequence in sequences})
    if shared:
        raise ValueError(
            f"{len(shared)} validation sequences are trained on, {shared[0]!r} the first: leave "
            "them out of training.sources with 'exclude'"
        )


def pair_dataset(config: Config) -> PairDataset:
    """All training pairs of an experiment; errors of its sources in one line."""
    cells = grid_cells(config.tracking.search_size, config.model.anchors.stride)
    training = config.training
    if training.store.context != config.tracking.context:
        raise ValueError(
            f"training.store.context is {training.store.context}, tracking.context "
            f"{config.tracking.context}: they must be equal"
        )
    response_size = cells - config.model.template_cells + 1
    targets: AnchorTargets | PointTargets
    if config.model.head == "anchor_free":
        targets = PointTargets(config.model.anchors, response_size)
    else:
        targets = AnchorTargets(training.targets, config.model.anchors, response_size)
    return PairDataset(
        open_sampler(training),
        training.augment,
        targets,
        config.tracking,
        training.seed,
        open_teacher(config, response_size) if training.loss.distills else None,
    )


def open_teacher(config: Config, response_size: int) -> TeacherTargets:
    """The teacher of an experiment; raises as ``load_teacher`` and ``TeacherTargets``."""
    settings = config.training.teacher
    address = str(settings.path)
    if ":" not in address:
        address = str(Path(config.training.root).expanduser() / address)
    teacher = load_teacher(address)
    return TeacherTargets(teacher, settings, config.model.anchors, response_size, config.tracking)
