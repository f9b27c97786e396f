"""``rgbt-track export``: a tracker as ONNX, OpenVINO or weights with their settings."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.options import WeightsFile
from rgbt_track.io.paths import check_paths
from rgbt_track.models.engines.export import write_export
from rgbt_track.models.engines.exported import is_export
from rgbt_track.tracking.loading import load_network, read_config


def export(
    name: Annotated[str, typer.Argument(help="A shipped name, a YAML file or a weights file.")],
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    format: Annotated[str, typer.Option(help="onnx, openvino or torch.")] = "onnx",
    precision: Annotated[str, typer.Option(help="fp32, or bf16 with openvino or torch.")] = "fp32",
    weights: WeightsFile = None,
) -> None:
    """Write a tracker for ONNX Runtime, OpenVINO or another machine's torch.

    OUT is a folder of graphs with export.json, which holds the whole configuration: any command's
    --tracker takes it. docs/export.md describes the graphs. What was written is compared with
    torch before it gets its name.

    Example: `rgbt-track export lrrtrack_lite lite_onnx --format onnx`
    """
    check_paths(inputs={"NAME": name, "--weights": weights}, folders={"OUT": out})
    if is_export(name):
        raise ValueError(f"{name} is exported already; export what it was made from")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        config = read_config(name)
        network = load_network(name, config, weights)
        difference = write_export(out, network, config, format, precision)
    for warning in caught:
        typer.echo(f"warning: {warning.message}", err=True)
    typer.echo(f"{config.name} as {format}, {precision}, in {out}")
    typer.echo(f"largest difference to torch: {difference:.1e} of a response's range")
