"""``rgbt-track export``: a tracker as ONNX, OpenVINO or weights with their settings."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.options import WeightsFile
from rgbt_track.config.tracker import Config
from rgbt_track.io.paths import check_paths
from rgbt_track.models.engines.export import Trial, write_export
from rgbt_track.models.engines.exported import is_export
from rgbt_track.models.engines.interface import Engine
from rgbt_track.resources import require
from rgbt_track.tracking.loading import load_network, read_config


def export(
    name: Annotated[str, typer.Argument(help="A shipped name, a YAML file or a weights file.")],
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    format: Annotated[str, typer.Option(help="onnx, openvino or torch.")] = "onnx",
    precision: Annotated[
        str,
        typer.Option(help="fp32, bf16 with openvino or torch, int8 with onnx or openvino."),
    ] = "fp32",
    weights: WeightsFile = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Your sequences for int8, as `evaluate plain`; else synthetic ones."),
    ] = None,
) -> None:
    """Write a tracker for ONNX Runtime, OpenVINO or another machine's torch.

    OUT is a folder of graphs with export.json, which holds the whole configuration: any command's
    --tracker takes it. docs/export.md describes the graphs. What was written is compared with
    torch before it gets its name; int8 is tracked with, before and after, and the AO of both told.

    Example: `rgbt-track export lrrtrack_lite lite_onnx --format onnx`
    """
    check_paths(
        inputs={"NAME": name, "--weights": weights, "--calibrate": calibrate}, folders={"OUT": out}
    )
    if is_export(name):
        raise ValueError(f"{name} is exported already; export what it was made from")
    if calibrate is not None and precision != "int8":
        raise ValueError(f"--calibrate is for --precision int8, not {precision}")
    if precision == "int8":
        require("int8", "nncf", "onnxruntime")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        config = read_config(name)
        network = load_network(name, config, weights)
        trial = _trial(config, calibrate) if precision == "int8" else None
        report = write_export(out, network, config, format, precision, trial)
    for warning in caught:
        typer.echo(f"warning: {warning.message}", err=True)
    typer.echo(f"{config.name} as {format}, {precision}, in {out}")
    if report.calibration is None:
        typer.echo(f"largest difference to torch: {report.difference:.1e} of a response's range")
        return
    frames, overlap = report.calibration.frames, report.calibration.box_overlap
    typer.echo(
        f"AO on the {frames} frames of the calibration: {report.calibration.ao_fp32:.3f} before, "
        f"{report.calibration.ao_int8:.3f} in int8; boxes of both overlap by {overlap:.3f}"
    )


def _trial(config: Config, folder: Path | None) -> Callable[[Engine], Trial]:
    """What int8 is calibrated with: a run over the user's sequences or synthetic ones."""
    from rgbt_track.tracking.calibration import read_clips, run_clips, synthetic_clips

    clips = synthetic_clips() if folder is None else read_clips(folder)
    return lambda engine: run_clips(engine, config, clips)
