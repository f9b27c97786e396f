"""Writing a tracker for another runtime, and comparing what was written with torch."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rgbt_track.boxes import Boxes, iou_xywh
from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.tracker import Config
from rgbt_track.io.files import atomic_path
from rgbt_track.modalities import MODALITIES
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import load_weights, save_weights
from rgbt_track.models.engines.choice import choose_engine, create_runner
from rgbt_track.models.engines.create import create_engine
from rgbt_track.models.engines.exported import (
    ENGINES_OF,
    FORMATS,
    METADATA,
    WEIGHTS_FILES,
    graph_engine,
    read_export,
)
from rgbt_track.models.engines.graph_engine import Arrays, GraphEngine, graph_names
from rgbt_track.models.engines.graphs import Graph, NetworkGraphs
from rgbt_track.models.engines.interface import BranchResponse, Engine
from rgbt_track.models.engines.onnx_graphs import onnx_model
from rgbt_track.models.engines.openvino_import import import_openvino
from rgbt_track.models.engines.quantize import RecordingRunner, quantize_onnx, quantize_openvino
from rgbt_track.models.engines.torch_engine import TorchEngine
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.resources import check_choice, require

# Largest difference to torch in fp32, as a share of the range of a response.
_TOLERANCE = {"fp32": 1e-4, "bf16": 0.1}
_TARGET = np.array([[2.0, -1.0, 40.0, 60.0]], np.float32)  # pixels from the crop's center
_SMALLEST_SHARED = 1024  # bytes; smaller tensors stay inside their graph
_ALIGNMENT = 64  # bytes


class Trial(NamedTuple):
    """A run of a tracker: mean overlap with the labelled boxes, and its own boxes (N, 4)."""

    ao: float
    boxes: Boxes


class Calibration(NamedTuple):
    """What int8 changed: AO before and after, and the mean overlap of the boxes of both runs."""

    ao_fp32: float
    ao_int8: float
    box_overlap: float
    frames: int


class ExportReport(NamedTuple):
    """The largest difference to torch in fp32, as a share of a response's range; or of int8."""

    difference: float | None = None
    calibration: Calibration | None = None


def write_export(
    out: str | Path,
    network: RGBTNetwork,
    config: Config,
    format: str = "onnx",
    precision: str = "fp32",
    trial: Callable[[Engine], Trial] | None = None,
) -> ExportReport:
    """Write a tracker as a folder that ``load_tracker`` and other programs can run.

    Args:
        out: the folder, which must not exist.
        network: as ``load_weights`` leaves it, on the CPU; it is not changed.
        config: its configuration.
        format: "onnx", "openvino" or "torch".
        precision: "fp32", "bf16" with "openvino" or "torch", "int8" with "onnx" or "openvino".
        trial: tracks with an engine; int8 is calibrated with what the graphs are given in it, and
            its boxes before and after are compared.

    Raises ``ValueError`` for an unknown format, a precision that it does not have, or a difference
    that is too large; then nothing is left. How well int8 does is for the reader of the report.
    """
    out = Path(out)
    check_choice("unknown format", format, FORMATS)
    is_learned = config.model.has_graphs
    choose_engine(ENGINES_OF[format][0], precision, "cpu", is_learned=is_learned, is_exported=True)
    if precision == "int8":
        require("int8", "nncf", "onnxruntime")
        if trial is None:
            raise ValueError("precision 'int8' needs sequences to calibrate it with")
    if out.exists():
        raise ValueError(f"{out} exists; give the name of a new folder")
    prepared = prepare_for_inference(copy.deepcopy(network))
    values = {"format": format, "precision": precision, "config": to_mapping(config)}
    before: Trial | None = None
    recorded: dict[str, list[Arrays]] = {}
    with atomic_path(out) as part:
        part.mkdir()
        if format == "torch":
            save_weights(part / WEIGHTS_FILES[format], network, config)
        else:
            maker = NetworkGraphs(prepared, config.tracking.template_size)
            graphs = {name: maker.make(name) for name in graph_names(prepared.branches)}
            models = {name: onnx_model(graph) for name, graph in graphs.items()}
            if precision == "int8" and trial is not None:
                before, recorded = _record(models, format, config, trial)
            writer = _write_onnx if format == "onnx" else _write_openvino
            writer(part, models, recorded)
            values["graphs"] = {name: _describe(graph) for name, graph in graphs.items()}
        _write_metadata(part, values)
        engine = _written_engine(part)
        if before is not None and trial is not None:
            report = ExportReport(calibration=_compare(before, trial(engine)))
        else:
            difference = _largest_difference(TorchEngine(prepared), engine, config)
            report = ExportReport(difference)
            if not difference <= _TOLERANCE[precision]:
                raise ValueError(
                    f"{out}: what was written answers otherwise than torch, by "
                    f"{difference:.1e} of a response's range (at most "
                    f"{_TOLERANCE[precision]:.0e}): nothing was kept"
                )
        if report.calibration is not None:
            _write_metadata(part, {**values, "calibration": report.calibration._asdict()})
    return report


def _record(
    models: Mapping[str, bytes], format: str, config: Config, trial: Callable[[Engine], Trial]
) -> tuple[Trial, dict[str, list[Arrays]]]:
    """A run in fp32, and what the search graphs were given in it."""
    engine, threads = ENGINES_OF[format][0], config.tracking.threads
    recorder = RecordingRunner(create_runner(engine, lambda name, _: models[name], threads))
    model = config.model
    before = trial(GraphEngine(recorder, model.branches, takes_target=model.target_encoding))
    return before, recorder.inputs


def _compare(before: Trial, after: Trial) -> Calibration:
    overlap = float(np.mean(iou_xywh(before.boxes, after.boxes)))
    return Calibration(before.ao, after.ao, overlap, len(before.boxes))


def _write_metadata(folder: Path, values: Mapping[str, Any]) -> None:
    text = json.dumps(values, indent=1) + "\n"
    (folder / METADATA).write_text(text, encoding="utf-8")


def _write_onnx(
    folder: Path, models: Mapping[str, bytes], recorded: Mapping[str, Sequence[Arrays]]
) -> None:
    """One file a graph, and one for the weights of all of them, each tensor once."""
    import onnx
    from onnx.external_data_helper import set_external_data

    name = WEIGHTS_FILES["onnx"]
    offsets: dict[str, int] = {}
    with (folder / name).open("wb") as weights:
        for graph_name, content in models.items():
            if graph_name in recorded:
                content = quantize_onnx(content, recorded[graph_name])
            model = onnx.load_from_string(content)
            for tensor in model.graph.initializer:
                data = tensor.raw_data
                if len(data) < _SMALLEST_SHARED:
                    continue
                digest = hashlib.sha256(data).hexdigest()
                if digest not in offsets:
                    weights.write(bytes(-weights.tell() % _ALIGNMENT))
                    offsets[digest] = weights.tell()
                    weights.write(data)
                set_external_data(tensor, name, offset=offsets[digest], length=len(data))
                tensor.ClearField("raw_data")
            (folder / f"{graph_name}.onnx").write_bytes(model.SerializeToString())


def _write_openvino(
    folder: Path, models: Mapping[str, bytes], recorded: Mapping[str, Sequence[Arrays]]
) -> None:
    openvino = import_openvino()

    core = openvino.Core()
    for name, content in models.items():
        if name in recorded:
            model = quantize_openvino(content, recorded[name])
        else:
            model = core.read_model(content)
        openvino.save_model(model, folder / f"{name}.xml", compress_to_fp16=False)


def _describe(graph: Graph) -> dict[str, Any]:
    """Inputs with their shapes, and outputs."""
    shapes = {name: list(tensor.shape) for name, tensor in graph.inputs.items()}
    return {"inputs": shapes, "outputs": list(graph.outputs)}


def _written_engine(folder: Path) -> Engine:
    """The engine of a folder as ``load_tracker`` would make it."""
    export = read_export(folder)
    if export.format != "torch":
        return graph_engine(export)
    network = build_network(export.config.model)
    load_weights(network, export.weights)
    network = prepare_for_inference(network)
    return create_engine(network, export.config, engine="torch", precision=export.precision)


def _largest_difference(reference: Engine, engine: Engine, config: Config) -> float:
    """Over both modalities and either, every search size, and a blended template."""
    return max(
        _difference(expected, found)
        for expected, found in zip(
            _all_responses(reference, config), _all_responses(engine, config), strict=True
        )
    )


def _all_responses(engine: Engine, config: Config) -> Iterator[dict[str, BranchResponse]]:
    tracking = config.tracking
    rng = np.random.default_rng(0)
    for names in (MODALITIES, *((name,) for name in MODALITIES)):
        first, present = (
            engine.template(_crops(rng, names, tracking.template_size), _TARGET) for _ in "12"
        )
        for template in (first, engine.blend(first, present, 0.5)):
            for size in filter(None, (tracking.search_size, tracking.wide_search_size)):
                yield engine.search(template, _crops(rng, names, size))


def _crops(
    rng: np.random.Generator, names: Sequence[str], size: int
) -> dict[str, np.ndarray[Any, Any]]:
    return {name: rng.integers(0, 256, (1, 3, size, size)).astype(np.float32) for name in names}


def _difference(expected: dict[str, BranchResponse], found: dict[str, BranchResponse]) -> float:
    if list(expected) != list(found):
        return float("inf")
    pairs = [pair for name in expected for pair in zip(expected[name], found[name], strict=True)]
    return max((float(np.abs(a - b).max() / max(np.ptp(a), 1e-6)) for a, b in pairs), default=0.0)
