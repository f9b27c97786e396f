"""``rgbt-track fuse-table``: LRRNet's Tables 5 to 7 on pairs of your own or on the paper's."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from rgbt_track.commands.options import DeviceName
from rgbt_track.image_fusion.comparison import Comparison, Row, score_mean, score_network
from rgbt_track.image_fusion.inputs import NamedPairs
from rgbt_track.image_fusion.published import TABLE_7, check_pairs, published_row
from rgbt_track.image_fusion.scoring import score_fused
from rgbt_track.io.paths import check_paths
from rgbt_track.io.tables import print_wide
from rgbt_track.models.image_networks import (
    find_image_weights,
    load_image_network,
    shipped_networks,
)
from rgbt_track.tracking.loading import check_device


def fuse_table(
    folders: Annotated[
        list[str] | None,
        typer.Argument(help="NAME=FOLDER: fused images of another program, scored as they are."),
    ] = None,
    *,
    rgb: Annotated[str, typer.Option(help="Visible images: a folder.")],
    tir: Annotated[str, typer.Option(help="Thermal images, by the same names or order.")],
    network: Annotated[
        list[str] | None,
        typer.Option(help="A shipped network or a weights file; may be repeated; default all."),
    ] = None,
    pairs_set: Annotated[
        str | None, typer.Option("--set", help="The paper's pairs: tno21 or tno_vot40.")
    ] = None,
    device: DeviceName = "cpu",
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
) -> None:
    """Compare image-fusion networks: parameters, time, and metrics over the same pairs.

    Beside our networks stand the plain mean of both images, and other programs' images by the
    folder they lie in. With --set the published row of LRRNet is added (Tables 5 and 6).

    Example: `rgbt-track fuse-table --rgb vis/ --tir ir/ --set tno21 U2Fusion=results/u2fusion/`
    """
    others = dict(_named(setting) for setting in folders or [])
    weights = {name: find_image_weights(name) for name in network or shipped_networks()}
    inputs = {"--rgb": rgb, "--tir": tir, **{name: str(path) for name, path in others.items()}}
    check_paths(inputs=inputs, files={"--csv": csv})
    pairs = NamedPairs(rgb, tir)
    if pairs_set is not None:
        check_pairs(pairs_set, pairs.names)
    checked_device = str(check_device(device))
    shown = partial(track, pairs, total=pairs.length)
    table = Comparison()
    for name, file in weights.items():
        table.rows[name] = score_network(load_image_network(file), shown(name), checked_device)
    table.rows["mean of both images"] = score_mean(shown("mean"))
    for name, path in others.items():
        metrics = score_fused(pairs, path, shown(name)).mean()
        table.rows[name] = Row(metrics, TABLE_7.get(name.lower()))
    if pairs_set is not None:
        published = Row(published_row(pairs_set), TABLE_7["lrrnet"])
        table.rows[f"LRRNet as published, {pairs_set}"] = published
    print_wide(table.to_rich())
    if csv is not None:
        table.write_csv(csv)
        typer.echo(f"table in {csv}")


def _named(setting: str) -> tuple[str, Path]:
    name, equals, path = setting.partition("=")
    if not (name and equals and path):
        raise ValueError(f"{setting!r}: expected NAME=FOLDER, the fused images of another program")
    return name, Path(path)
