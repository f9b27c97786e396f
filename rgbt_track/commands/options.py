"""Arguments and options that several commands share, each with one name and one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DatasetName = Annotated[
    str, typer.Argument(help="A data set's name, or a YAML that describes one.")
]
RootFolder = Annotated[Path, typer.Option(help="Where the data set lies.")]
SplitName = Annotated[str | None, typer.Option(help="One split only, for example test.")]
EvaluationSplitName = Annotated[
    str | None, typer.Option(help="Part of the data set, or all; default test, if there is one.")
]
SequenceNames = Annotated[
    list[str] | None, typer.Option(help="Only this sequence; may be repeated.")
]
RulesName = Annotated[
    str, typer.Option(help="official (reproduces published tables), pysot, pytracking or generic.")
]
TrackerName = Annotated[
    str | None, typer.Option(help="A shipped name, a YAML, a weights file or a run's folder.")
]
AnyTrackerName = Annotated[
    str | None,
    typer.Option(help="A shipped name, a YAML, a weights file, a run, or package.module:factory."),
]
AnyTrackerNames = Annotated[
    list[str] | None,
    typer.Option(
        help="A shipped name, a YAML, a weights file, a run, or package.module:factory; "
        "may be repeated."
    ),
]
WeightsFile = Annotated[
    Path | None,
    typer.Option(help="Weights instead of the tracker's own; alone they say what they are of."),
]
PairByName = Annotated[
    str, typer.Option(help="Pair videos by time, or by frame number: time, number.")
]
ThermalDelay = Annotated[
    float, typer.Option(help="Seconds by which the thermal video began after the visible one.")
]
RegistrationFile = Annotated[
    Path | None, typer.Option(help="The YAML of `register`: thermal is warped into visible.")
]
DeviceName = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")]
DeviceNames = Annotated[str, typer.Option(help="cpu, cuda, or several to share: cuda:0,cuda:1.")]
EngineName = Annotated[
    str, typer.Option(help="auto, torch, onnxruntime or openvino: what runs the network.")
]
PrecisionName = Annotated[str, typer.Option(help="fp32, or bf16 with torch or openvino.")]
AcceleratorName = Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")]
WorkerCount = Annotated[int, typer.Option(min=1, max=1024, help="Processes that run side by side.")]
Force = Annotated[bool, typer.Option(help="Run again what is already there.")]
Plots = Annotated[bool, typer.Option(help="Draw plots (needs matplotlib).")]
PublishedRows = Annotated[
    list[str] | None,
    typer.Option(help="Published rows beside: a tracker's name, or all; may be repeated."),
]
PlaybackNames = Annotated[
    list[str] | None, typer.Option(help="A sequence to watch in the report; may be repeated.")
]
