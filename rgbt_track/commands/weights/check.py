"""``rgbt-track weights check``: whether a weights file is what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.io.files import file_sha256
from rgbt_track.models.weights_list import identify


def check_weights(
    file: Annotated[Path, typer.Argument(help="A weights file: .safetensors, .pth, .ckpt.")],
) -> None:
    """Check a weights file against the list, and against the digest inside of it.

    Files that we write hold the SHA-256 of their tensors. Exits with 1 for a file that is damaged,
    or that nothing is known about.

    Example: `rgbt-track weights check runs/x/best.safetensors`
    """
    if not file.is_file():
        raise FileNotFoundError(f"no such weights file: {file}")
    sha256 = file_sha256(file)
    typer.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB, sha256 {sha256}")
    typer.echo(identify(file, sha256))
