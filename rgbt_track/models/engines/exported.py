"""Exported trackers: a folder with graphs or weights, and a description of all that is in it.

    export.json    format, precision, the whole configuration, each graph's inputs and outputs
    for onnx       template.onnx, kernels.onnx, search.onnx, their _single twins, weights.bin
    for openvino   the same as .xml, each with its .bin
    for torch      network.safetensors

``graphs.py`` says what the graphs compute and what their inputs and outputs mean.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.tracker import Config
from rgbt_track.config.yaml_files import parse_json
from rgbt_track.models.engines.choice import choose_engine, create_runner
from rgbt_track.models.engines.graph_engine import GraphEngine, graph_names
from rgbt_track.resources import check_choice

METADATA = "export.json"
FORMATS = ("onnx", "openvino", "torch")
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}
WEIGHTS_FILES = {
    "onnx": "weights.bin",
    "openvino": "template.bin",
    "torch": "network.safetensors",
}

# format: the engines that run it, the first one unless another is asked for.
ENGINES_OF = {
    "onnx": ("onnxruntime", "openvino"),
    "openvino": ("openvino",),
    "torch": ("torch", "onnxruntime", "openvino"),
}


@dataclass(frozen=True)
class Export:
    """An exported tracker on disk.

    Args:
        folder: where it lies.
        format: one of ``FORMATS``.
        precision: what it is to be run in.
        config: its configuration.
    """

    folder: Path
    format: str
    precision: str
    config: Config

    @property
    def weights(self) -> Path:
        """The file that holds the weights, or one of those that do."""
        name = WEIGHTS_FILES[self.format]
        if self.format == "openvino" and not (self.folder / name).is_file():
            return self.folder / "template_single.bin"
        return self.folder / name

    def graph(self, name: str) -> Path:
        """The file of a graph; there is none in the format "torch"."""
        return self.folder / f"{name}{SUFFIXES[self.format]}"

    def choose_engine(self, engine: str) -> str:
        """The engine that "auto" means for this format; ``ValueError`` for one that cannot."""
        engines = ENGINES_OF[self.format]
        if engine == "auto":
            return engines[0] if self.format != "torch" else "auto"
        if engine not in engines:
            raise ValueError(
                f"{self.folder}: was exported as {self.format}, which {engine!r} does not run; "
                f"valid: {', '.join(engines)}"
            )
        return engine


def is_export(path: str | Path) -> bool:
    """Whether this is the folder of an exported tracker; an empty name is no folder."""
    return str(path) != "" and (Path(path) / METADATA).is_file()


def read_export(folder: str | Path) -> Export:
    """What ``export.json`` says; ``ValueError`` where it is damaged or a file is missing."""
    folder = Path(folder)
    file = folder / METADATA
    try:
        values = parse_json(file.read_text(encoding="utf-8"), file)
        export = Export(
            folder,
            values["format"],
            values["precision"],
            from_mapping(Config, values["config"], str(file)),
        )
    except (UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: damaged: {type(error).__name__} {error}") from None
    check_choice(f"{file}: unknown format", export.format, FORMATS)
    graphs = [] if export.format == "torch" else graph_names(export.config.model.branches)
    for path in (export.weights, *map(export.graph, graphs)):
        if not path.is_file():
            raise ValueError(f"{folder}: {path.name} is missing; export the tracker again")
    return export


def graph_engine(export: Export, engine: str = "auto", device: str = "cpu") -> GraphEngine:
    """The engine of a tracker that was exported as graphs.

    ``engine`` and ``device`` as in ``load_tracker``, and its errors.
    """
    engine = choose_engine(export.choose_engine(engine), export.precision, device, is_exported=True)
    threads = export.config.tracking.threads
    # The graphs on disk are for one target.
    runner = create_runner(
        engine, lambda name, _: str(export.graph(name)), threads, export.precision
    )
    model = export.config.model
    digest = partial(_file_digest, export.weights)
    return GraphEngine(runner, model.branches, model.target_encoding, digest)


def _file_digest(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest()
