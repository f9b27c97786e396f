"""``rgbt-track register``: where a thermal camera's pixels are in the visible camera's frame."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from rgbt_track.commands.options import PairByName, ThermalDelay
from rgbt_track.io.frames import as_rgb_uint8
from rgbt_track.io.images import check_image_name, write_image
from rgbt_track.io.pairing import PairedFrames, check_pair_by
from rgbt_track.io.paths import check_paths
from rgbt_track.io.sources import open_source
from rgbt_track.registration.automatic import LEAST_MARGIN, register_frames
from rgbt_track.registration.model import Registration
from rgbt_track.registration.overlay import overlay
from rgbt_track.registration.points import MIN_PAIRS, fit_points, read_points
from rgbt_track.registration.yaml_file import save_registration
from rgbt_track.windows.points import click_pairs

Image = NDArray[np.generic]

_MAX_FRAMES = 500


def register(
    out: Annotated[Path, typer.Argument(help="The YAML to write.")] = Path("registration.yaml"),
    *,
    rgb: Annotated[str, typer.Option(help="Visible frames of the fixed camera: as for `track`.")],
    tir: Annotated[str, typer.Option(help="Thermal frames of the camera fixed beside it.")],
    points: Annotated[
        Path | None, typer.Option(help="Point pairs, rows x_rgb,y_rgb,x_tir,y_tir.")
    ] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Find the registration from the images' edges.")
    ] = False,
    frames: Annotated[
        int, typer.Option(min=1, help="With --auto: pairs to use, evenly spread; more are better.")
    ] = 12,
    accept_unsure: Annotated[
        bool, typer.Option("--accept-unsure", help="With --auto: write an uncertain result, too.")
    ] = False,
    frame: Annotated[
        int, typer.Option(min=0, help="The pair to click in and to show, from 0.")
    ] = 0,
    pair_by: PairByName = "time",
    tir_delay: ThermalDelay = 0.0,
    picture: Annotated[
        Path | None, typer.Option(help="The overlay to look at; default beside the YAML, as .png.")
    ] = None,
) -> None:
    """Find the homography between two fixed cameras, and show how well it fits.

    Without --points and --auto you click the same points (four or more, better eight, spread over
    the frame and far away) in both pictures. --auto refuses what it is not sure of, and draws its
    guess; --accept-unsure takes that. `track`, `fuse` and `evaluate` take the YAML by
    --registration, and data-set descriptions by the key `registration`.

    Example: `rgbt-track register --rgb day.mp4 --tir thermal.mkv --auto cameras.yaml`
    """
    if points is not None and auto:
        raise ValueError("--points and --auto are two ways to register: give one of them")
    picture = picture or out.with_suffix(".png")
    check_image_name(picture)
    check_paths(
        inputs={"--rgb": rgb, "--tir": tir, "--points": points},
        files={"OUT": out, "--picture": picture},
    )
    sources = open_source(rgb), open_source(tir, thermal=True)
    pairs = PairedFrames(*sources, check_pair_by(pair_by), tir_delay)
    count = frames if auto else 1
    visible, thermal = _read_pairs(pairs, frame, count)
    sizes = [(image[0].shape[1], image[0].shape[0]) for image in (visible, thermal)]
    clicked = None
    if auto:
        result = register_frames(visible, thermal)
        registration = result.registration
        found = (
            f"{len(visible)} pairs, correlation of edges {result.correlation:.2f}, "
            f"{result.margin:.2f} above any other place"
        )
        if not (result.is_certain or accept_unsure):
            write_image(picture, overlay(visible[0], thermal[0], registration))
            raise ValueError(
                f"not sure enough to write {out}: {found}, less than {LEAST_MARGIN:g}; the guess "
                f"is drawn in {picture}: if it fits, --accept-unsure takes it; otherwise give "
                "more frames, in which something moves, or click points"
            )
    else:
        clicked = read_points(points) if points is not None else _click(visible[0], thermal[0])
        fit = fit_points(*clicked)
        registration = Registration(fit.matrix, sizes[0], sizes[1], "points", fit.residual)
        worst = int(fit.errors.argmax())
        found = (
            f"{len(fit.errors)} points, residual {fit.residual:.2f} px, largest "
            f"{fit.errors[worst]:.2f} px at pair {worst + 1}"
        )
        if len(fit.errors) == MIN_PAIRS:
            found += "; four points always fit: more would show their error"
    save_registration(out, registration)
    write_image(picture, overlay(visible[0], thermal[0], registration, clicked))
    typer.echo(f"{found}; {out}, overlay in {picture}")


def _read_pairs(pairs: PairedFrames, first: int, count: int) -> tuple[list[Image], list[Image]]:
    """``count`` pairs from number ``first`` on, evenly spread over what there is."""
    available = min(pairs.length or _MAX_FRAMES, _MAX_FRAMES) - first
    step = max(available // count, 1)
    visible: list[Image] = []
    thermal: list[Image] = []
    for rgb, tir in islice(pairs, first, first + step * count, step):
        if rgb is not None and tir is not None:
            visible.append(as_rgb_uint8(rgb, "visible"))
            thermal.append(tir)
    pairs.close()
    if not visible:
        raise ValueError(f"there is no frame pair from number {first} on: nothing to register")
    return visible, thermal


def _click(rgb: Image, tir: Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    def residual(rgb_points: NDArray[np.float64], tir_points: NDArray[np.float64]) -> float | None:
        try:
            return fit_points(rgb_points, tir_points).residual
        except ValueError:  # on one line so far
            return None

    frames = as_rgb_uint8(rgb, "visible"), as_rgb_uint8(tir, "thermal")
    return click_pairs(*frames, MIN_PAIRS, residual)
