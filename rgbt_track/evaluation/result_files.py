"""Result files of any evaluation software: sequence of a file, boxes, scores, frame rate.

A tracker's folder holds one text file per sequence, named ``sequence.txt`` or with any prefix
(``Tracker_sequence.txt``), or one folder per sequence (``sequence/sequence_001.txt``). Times,
scores and the like are recognized by their endings and are not read as boxes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.box_files import read_box_rows
from rgbt_track.io.files import read_lines

_AUXILIARY = re.compile(
    r"_(time|times|fps|score|scores|confidence|all_boxes|all_scores|object_presence_scores)$", re.I
)
_COMPANION_ENDINGS = {"time": ("_time", "_times"), "score": ("_score", "_scores", "_confidence")}
_QUOTES = re.compile("[`'´‘’]")
_SUFFIXES = (".txt", ".csv")


def read_boxes(path: str | Path, *, allow_nan: bool = True) -> NDArray[np.float64]:
    """Read a box file of any format in use: (N, 4) or (N, 8) floats, as in the file.

    Commas, semicolons, tabs or blanks; decimals or scientific notation; four or eight columns. NaN
    stands for a frame without a box, and the rules decide what it counts; with ``allow_nan=False``
    it is refused. Raises ``FileNotFoundError`` or, naming file and row, ``ValueError`` for text,
    an empty file, another number of columns, or an infinite value.
    """
    return read_box_rows(path, allow_nan=allow_nan)


def tracker_folders(results: str | Path, sequences: Iterable[str]) -> dict[str, Path]:
    """Tracker name -> folder of its result files, out of a folder of one or of several trackers.

    Raises ``FileNotFoundError`` where there is no such folder or nothing in it looks like a result
    of one of the sequences.
    """
    results = Path(results)
    if not results.is_dir():
        raise FileNotFoundError(f"no such folder of results: {results}")
    names = list(sequences)
    if result_paths(results, names):
        return {results.resolve().name: results}
    folders = {
        folder.name: folder
        for folder in sorted(results.iterdir())
        if folder.is_dir() and not folder.name.startswith(".") and result_paths(folder, names)
    }
    if not folders:
        raise FileNotFoundError(
            f"{results}: no result files of this data set; expected SEQUENCE.txt, "
            f"TRACKER_SEQUENCE.txt or TRACKER/SEQUENCE.txt, for instance {names[0]}.txt"
        )
    return folders


def result_paths(folder: Path, sequences: Iterable[str]) -> dict[str, Path]:
    """Sequence -> its result file in a tracker's folder; sequences without one are left out.

    A file belongs to the longest sequence name that its own name is or ends with, after ``_`` or
    ``-``; quotes (``leftgirl'swhitebag``) and case do not matter. Raises ``ValueError`` for two
    files of different prefixes, unless one prefix goes on from the other: beside ``T_car`` a
    ``T_red_car`` belongs to another sequence.
    """
    keys = {_key(name): name for name in sequences}
    matches: dict[str, list[tuple[str, Path]]] = {}
    for path in _candidates(folder, keys):
        key = _key(_name(path, keys))
        for start in _name_starts(key):
            if key[start:] in keys:
                matches.setdefault(keys[key[start:]], []).append((key[:start], path))
                break
    return {name: _single(name, sorted(paths, key=_by_prefix)) for name, paths in matches.items()}


def _by_prefix(item: tuple[str, Path]) -> tuple[int, Path]:
    return len(item[0]), item[1]


def _key(name: str) -> str:
    return _QUOTES.sub("", name).casefold()


def _name(path: Path, keys: dict[str, str]) -> str:
    """The file's name without suffix; in a sequence's folder, also without the run's number."""
    return re.sub(r"_\d{3}$", "", path.stem) if _key(path.parent.name) in keys else path.stem


def _name_starts(key: str) -> list[int]:
    return [0] + [match.end() for match in re.finditer("[_-]", key)]


def _candidates(folder: Path, keys: dict[str, str]) -> list[Path]:
    files = list(folder.iterdir())
    nested = [path for path in files if path.is_dir() and _key(path.name) in keys]
    files += [file for path in nested for file in path.iterdir()]
    return sorted(
        path
        for path in files
        if path.suffix.lower() in _SUFFIXES
        and path.is_file()
        and not path.name.startswith(".")
        and (_key(path.stem) in keys or not _AUXILIARY.search(path.stem))
    )


def _single(name: str, matches: list[tuple[str, Path]]) -> Path:
    (prefix, path), *others = matches
    for other_prefix, other in others:
        if other_prefix == prefix or not other_prefix.startswith(prefix):
            raise ValueError(
                f"{path.parent}: {path.name} and {other.name} both look like the result of {name}; "
                "keep one"
            )
    return path


def companion_path(path: Path, kind: str, reserved: Collection[Path] = ()) -> Path:
    """Where the times or scores (``kind`` "time" or "score") to a file of boxes are written.

    ``NAME_time.txt`` and ``NAME_score.txt``; another ending where ``reserved`` says that this is
    the file of another sequence's boxes. Raises ``ValueError`` where all endings are reserved.
    """
    candidates = _companion_paths(path, kind)
    free = [candidate for candidate in candidates if candidate not in reserved]
    if not free:
        names = ", ".join(candidate.name for candidate in candidates)
        raise ValueError(f"{path}: no name left for its {kind}s: {names} are other sequences")
    return free[0]


def _companion_paths(path: Path, kind: str) -> list[Path]:
    return [path.with_name(f"{path.stem}{end}{path.suffix}") for end in _COMPANION_ENDINGS[kind]]


def frame_rate(results: Mapping[str, Path]) -> float | None:
    """Frames per second over all ``*_time.txt`` files beside the results; ``None`` without any.

    A time file has seconds per frame, one number per row. Raises ``ValueError``, naming file and
    row, for anything else in it.
    """
    times = _read_companions(results, "time", "time in seconds", low=0)
    frames, seconds = sum(map(len, times.values())), sum(float(t.sum()) for t in times.values())
    return frames / seconds if seconds > 0 else None


def read_scores(results: Mapping[str, Path]) -> dict[str, NDArray[np.float64]]:
    """Sequence -> scores (N,) from the ``*_score.txt`` beside the results, where there is one.

    Raises ``ValueError``, naming file and row, for anything but one finite number per row.
    """
    return _read_companions(results, "score", "score", low=-np.inf)


def _read_companions(
    results: Mapping[str, Path], kind: str, meaning: str, low: float
) -> dict[str, NDArray[np.float64]]:
    values, reserved = {}, set(results.values())
    for name, path in results.items():
        for file in _companion_paths(path, kind):
            if file not in reserved and file.is_file():
                values[name] = _read_values(file, meaning, low)
                break
    return values


def _read_values(path: Path, meaning: str, low: float) -> NDArray[np.float64]:
    values = []
    for row, line in enumerate(read_lines(path), start=1):
        try:
            value = float(line.rstrip(",; \t"))
        except ValueError:
            value = np.nan
        if not (np.isfinite(value) and value >= low):
            raise ValueError(f"{path}: row {row} is not a {meaning}: {line[:60]!r}")
        values.append(value)
    return np.array(values)
