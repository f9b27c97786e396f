"""The list of weights that ship or are published elsewhere, and what a file is by that list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.models.state_dict import DIGEST, read_metadata, read_state, state_digest
from rgbt_track.resources import WEIGHTS


@dataclass(frozen=True)
class ListedWeights:
    """One weights file.

    Args:
        name: the file's name.
        terms: on what terms it may be used.
        use: the command that uses it.
        sha256: of the file; its first digits where no more are known, empty if none.
        megabytes: its size in 1e6 bytes; 0 if unknown.
        url: where it can be fetched; ``None`` for one that ships.
    """

    name: str
    terms: str
    use: str
    sha256: str = ""
    megabytes: float = 0.0
    url: str | None = None

    @property
    def size(self) -> float:
        """Megabytes, of a shipped file as it lies on disk; 0 if unknown."""
        path = WEIGHTS / self.name
        return path.stat().st_size / 1e6 if self.url is None else self.megabytes


@dataclass(frozen=True)
class WeightsList:
    """What ships with the package, and what others have published."""

    shipped: tuple[ListedWeights, ...]
    published: tuple[ListedWeights, ...]


def weights_list() -> WeightsList:
    """The list of ``weights/list.yaml``."""
    path = WEIGHTS / "list.yaml"
    return from_mapping(WeightsList, read_yaml(path), str(path))


def identify(path: Path, sha256: str) -> str:
    """What a weights file is, in one line.

    It is looked up in the list by its digest, and compared with the digest of its tensors that we
    write into every file.

    Args:
        path: the file.
        sha256: its digest.

    Raises:
        ValueError: a file that is damaged, that has the name of a listed one and is another, or
            that neither the list nor the file itself says anything about.
    """
    listed = weights_list()
    for entry in (*listed.shipped, *listed.published):
        if entry.sha256 and sha256.startswith(entry.sha256):
            return f"{entry.name} of the list, whole; terms: {entry.terms}"
    written = read_metadata(path).get(DIGEST) if path.suffix == ".safetensors" else None
    if written is not None:
        if state_digest(read_state(path)) != written:
            raise ValueError(f"{path}: damaged: its tensors are not those that were written")
        return "in no list; its tensors are those that rgbt-track wrote"
    for entry in (*listed.shipped, *listed.published):
        if entry.sha256 and path.name == entry.name:
            raise ValueError(
                f"{path}: damaged, or another file of this name: the list has sha256 {entry.sha256}"
            )
    raise ValueError(
        f"{path}: in no list, and without a digest inside: compare its sha256 with its publisher's"
    )
