"""``rgbt-track fuse``: fuse visible and thermal images or videos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from rgbt_track.commands.common import leave_interrupted
from rgbt_track.commands.options import DeviceName, PairByName, RegistrationFile, ThermalDelay
from rgbt_track.image_fusion.figure import parts_figure
from rgbt_track.image_fusion.flicker import Flicker
from rgbt_track.image_fusion.fuser import FusedFrame, Fuser, side_by_side
from rgbt_track.image_fusion.inputs import NamedPairs
from rgbt_track.image_fusion.metric_table import MetricTable
from rgbt_track.image_fusion.natural import NaturalLook, NaturalSettings
from rgbt_track.image_fusion.outputs import ImageOutput, image_paths, is_file_name
from rgbt_track.image_fusion.scoring import score_fused
from rgbt_track.io.frames import Frame
from rgbt_track.io.images import check_image_name, write_image
from rgbt_track.io.pairing import check_pair_by
from rgbt_track.io.paths import check_paths
from rgbt_track.io.video.writer import OUTPUT_SUFFIXES
from rgbt_track.models.image_networks import DEFAULT, load_image_network, shipped_image_weights
from rgbt_track.registration.model import Registration
from rgbt_track.registration.yaml_file import load_registration
from rgbt_track.resources import check_choice
from rgbt_track.tracking.loading import check_device

NamedPair = tuple[str, Frame, Frame]

_MAX_ROWS = 250
_MAX_BATCH = 1024


def fuse(
    out: Annotated[
        Path | None,
        typer.Argument(help="A folder, a .mp4 (H.264), or an image's path for one pair."),
    ] = None,
    *,
    rgb: Annotated[
        str, typer.Option(help="Visible: a folder, an image, a video, a camera or a URL.")
    ],
    tir: Annotated[str, typer.Option(help="Thermal, registered to the visible; 8 or 16 bits.")],
    weights: Annotated[
        Path | None, typer.Option(help="Weights of `train`, or LRRNet's published file.")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="A shipped network: lrrnet (default), lrcfuse, ...")
    ] = None,
    pair_by: PairByName = "time",
    tir_delay: ThermalDelay = 0.0,
    registration: RegistrationFile = None,
    device: DeviceName = "cpu",
    color: Annotated[
        bool, typer.Option("--color/--gray", help="Keep the visible colors, or gray.")
    ] = True,
    look: Annotated[
        str,
        typer.Option(help="natural: the sources, mixed as the network says; network: its output."),
    ] = "natural",
    tile: Annotated[
        int | None, typer.Option(help="Compute in tiles of this side; 0: whole images.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Pairs at once, of one size; helps on GPUs.")] = 1,
    parts: Annotated[
        bool, typer.Option("--parts", help="Also write low-rank and sparse parts.")
    ] = False,
    beside: Annotated[
        bool, typer.Option("--side-by-side", help="Visible, thermal, fused in one.")
    ] = False,
    figure: Annotated[
        Path | None, typer.Option(help="One picture of the first pair, its parts and the result.")
    ] = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Print En SD MI SSIM VIF Nabf ...")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write the metrics to this file.")] = None,
    fused: Annotated[
        Path | None, typer.Option(help="Only score these fused images of another program.")
    ] = None,
) -> None:
    """Fuse a visible and a thermal image, folder, video or camera.

    Color frames keep their colors: only the luminance is fused. The natural look takes the
    network's output as advice on how to mix the sources, without rims along edges, and steadily
    over a video; --look network writes the output itself, as in the papers. Ctrl-C ends a camera;
    the frames so far are kept.

    Example: `rgbt-track fuse --rgb color/ --tir ir/ --metrics fused/`
    """
    if out is None and not (metrics or fused or figure):
        raise ValueError("nowhere to write to: give OUT, a folder or a .mp4 (or --metrics)")
    if weights is not None and network is not None:
        raise ValueError(f"--weights {weights} bring their own network: leave --network out")
    if figure is not None:
        check_image_name(figure)
    check_choice("--look is", look, ("natural", "network"))
    if not 1 <= batch <= _MAX_BATCH:
        raise ValueError(f"--batch is {batch}; expected 1 to {_MAX_BATCH}")
    inputs = {
        "--rgb": rgb,
        "--tir": tir,
        "--weights": weights,
        "--fused": fused,
        "--registration": registration,
    }
    is_file = out is not None and is_file_name(out)
    files = {"--csv": csv, "--figure": figure, **({"OUT": out} if is_file else {})}
    check_paths(inputs=inputs, files=files, folders={} if is_file else {"OUT": out})
    cameras = load_registration(registration) if registration is not None else None
    align = cameras.align if cameras is not None else None
    pairs = NamedPairs(rgb, tir, check_pair_by(pair_by), tir_delay, align)
    if out is not None and pairs.names is not None:
        written = image_paths(out, pairs.names)
        check_paths(inputs=inputs, files={**files, **written}, frames=pairs.files)
    if fused is not None:
        _print_table(_score(pairs, fused), csv)
        return
    is_video = pairs.names is None or (out is not None and out.suffix.lower() in OUTPUT_SUFFIXES)
    mixing = NaturalLook(NaturalSettings() if is_video else NaturalSettings(memory=0))
    fuser = _fuser(
        weights,
        network,
        device,
        tile,
        color,
        parts or figure is not None,
        cameras,
        mixing if look == "natural" else None,
        is_video,
    )
    if figure is not None:
        _write_figure(fuser, pairs, figure)
        if out is None and not (metrics or csv):
            return
    _run(
        fuser, pairs, out, batch, parts=parts, beside=beside, metrics=metrics or bool(csv), csv=csv
    )


def _fuser(
    weights: Path | None,
    name: str | None,
    device: str,
    tile: int | None,
    color: bool,
    parts: bool,
    registration: Registration | None,
    look: NaturalLook | None,
    is_video: bool,
) -> Fuser:
    network = load_image_network(weights or shipped_image_weights(name or DEFAULT))
    if parts and not network.part_names:
        raise ValueError(f"--parts: {type(network).__name__} has no parts to show")
    return Fuser(network, check_device(device), tile, color, registration, look, is_video)


def _write_figure(fuser: Fuser, pairs: NamedPairs, path: Path) -> None:
    """The sources, the parts and the fused image of the first pair, as one picture."""
    name, rgb, tir = next(iter(pairs))
    fused = fuser.fuse(rgb, tir)
    write_image(path, parts_figure(fused, fuser.parts(rgb, tir)))
    typer.echo(f"parts of {name} in {path}")


def _run(
    fuser: Fuser,
    pairs: NamedPairs,
    out: Path | None,
    batch: int,
    *,
    parts: bool,
    beside: bool,
    metrics: bool,
    csv: Path | None,
) -> None:
    table, flicker, count, end = MetricTable(), Flicker(), 0, None
    changes: list[float | None] = []
    with ExitStack() as stack:
        output = ImageOutput(out, pairs.fps, pairs.is_single) if out is not None else None
        if output is not None:
            stack.enter_context(output)
        try:
            for group in _groups(_progress(pairs), batch):
                frames = fuser.fuse_batch([(rgb, tir) for _, rgb, tir in group])
                for (name, rgb, tir), frame in zip(group, frames, strict=True):
                    if output is not None:
                        _write(output, name, frame, beside)
                    if output is not None and parts:
                        output.add_parts(name, fuser.parts(rgb, tir))
                    if metrics:
                        table.add_pair(name, frame.gray, frame.visible, frame.infrared)
                        changes.append(flicker.add(frame.gray, frame.visible, frame.infrared))
                    count += 1
        except KeyboardInterrupt as error:
            end = error
    if out is not None:
        typer.echo(f"{count} fused in {out}")
    if metrics and count:
        _print_table(table, csv)
        _print_flicker(changes)
    leave_interrupted(end, pairs.frames.is_live)


def _write(output: ImageOutput, name: str, frame: FusedFrame, beside: bool) -> None:
    output.add(name, side_by_side(frame) if beside else frame.image)


def _print_flicker(changes: list[float | None]) -> None:
    """The mean flicker of frames that follow one another, where any do."""
    values = [change for change in changes if change is not None]
    if values:
        typer.echo(
            f"flicker: {sum(values) / len(values):.3f} gray levels a frame, where neither source "
            f"changes ({len(values)} of {len(changes) - 1} frames)"
        )


def _score(pairs: NamedPairs, fused: Path) -> MetricTable:
    return score_fused(pairs, fused, _progress(pairs))


def _progress(pairs: NamedPairs) -> Iterator[NamedPair]:
    return iter(track(pairs, "fusing", pairs.length))


def _groups(pairs: Iterator[NamedPair], size: int) -> Iterator[list[NamedPair]]:
    while group := list(islice(pairs, size)):
        yield group


def _print_table(table: MetricTable, csv: Path | None) -> None:
    table.print(per_pair=len(table.rows) <= _MAX_ROWS)
    if csv is not None:
        table.write_csv(csv)
        typer.echo(f"metrics in {csv}")
