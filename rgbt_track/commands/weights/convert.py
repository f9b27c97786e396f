"""``rgbt-track weights convert``: pysot's weights, or a checkpoint, as one file that says all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.config.run_files import CHECKPOINT_SUFFIX
from rgbt_track.io.paths import check_paths
from rgbt_track.models.checkpoint import save_weights
from rgbt_track.models.state_dict import is_pysot_state, read_state
from rgbt_track.tracking.loading import load_network, read_config

_PYSOT = "lrrtrack_r50"


def convert_weights(
    file: Annotated[Path, typer.Argument(help="pysot's model.pth, a checkpoint, or our weights.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    tracker: Annotated[
        str | None,
        typer.Option(
            help="Whose network and settings: a name, a YAML, or pysot's config.yaml. Default: "
            f"those in the file; for pysot's {_PYSOT}."
        ),
    ] = None,
) -> None:
    """Convert weights to one .safetensors file with their network and settings inside.

    pysot's SiamRPN++ (ResNet-50) becomes an RGB-T tracker: its RGB and thermal branch, a fused
    branch with a copy of its head, and a fusion that starts as the mean of both modalities.

    Example: `rgbt-track weights convert model.pth siamrpn_r50.safetensors`
    """
    if out.suffix != ".safetensors":
        raise ValueError(f"OUT is {out}; expected a name that ends in .safetensors")
    check_paths(inputs={"FILE": file, "--tracker": tracker}, files={"OUT": out})
    name = str(file) if tracker is None else tracker
    is_bare = file.suffix not in (".safetensors", CHECKPOINT_SUFFIX)
    if tracker is None and is_bare and is_pysot_state(read_state(file)):
        name = _PYSOT
    config = read_config(name)
    network = load_network(name, config, file)
    save_weights(out, network, replace(config, name=out.stem, weights=None))
    typer.echo(f"weights: {out}")
    typer.echo(f"to use them: rgbt-track track --tracker {out} --rgb SRC --tir SRC")
