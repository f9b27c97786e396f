"""``rgbt-track weights list``: the weights that ship, and those that others have published."""

from __future__ import annotations

import typer

from rgbt_track.models.weights_list import ListedWeights, weights_list


def list_weights() -> None:
    """List the weights that ship, and those that others have published and you can fetch.

    Nothing is fetched, but torchvision's by a training that names them.

    Example: `rgbt-track weights list`
    """
    listed = weights_list()
    typer.echo("shipped:")
    for entry in listed.shipped:
        _print(entry)
    typer.echo("published elsewhere:")
    for entry in listed.published:
        _print(entry)
    typer.echo("check a file: rgbt-track weights check FILE")


def _print(entry: ListedWeights) -> None:
    facts = [f"{entry.size:.1f} MB"] if entry.size else []
    facts += [f"sha256 {entry.sha256}"] if entry.sha256 else []
    typer.echo("  ".join([f"  {entry.name}", *facts]))
    if entry.url is not None:
        typer.echo(f"    from:  {entry.url}")
    typer.echo(f"    terms: {entry.terms}")
    typer.echo(f"    use:   {entry.use}")
