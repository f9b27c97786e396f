"""``rgbt-track serve``: the web demo, on this machine unless told otherwise."""

from __future__ import annotations

from typing import Annotated

import typer

from rgbt_track.config.experiments import experiment_names
from rgbt_track.resources import WEIGHTS, default_tracker, require

_LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen at; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 7860,
    tracker: Annotated[
        list[str] | None,
        typer.Option(help="A tracker to offer, the first by default; may be repeated."),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = False,
) -> None:
    """Follow targets in a browser: a page for two files, or for a built-in sequence.

    Draw a box in either image, choose the tracker and the modalities, watch boxes, scores and
    branch weights, and download boxes, numbers and video. The page needs no network. Ctrl-C ends
    it.

    Example: `rgbt-track serve --port 7860`
    """
    require("web", "gradio")
    from rgbt_track.web.page import build_page, launch_options

    if host not in _LOCAL:
        typer.echo(
            f"warning: {host} lets others in: whoever reaches the port can use this machine's "
            "processor and upload videos, and there is no password",
            err=True,
        )
    page = build_page(tracker or trained_trackers())
    typer.echo(f"open http://{host}:{port} in a browser; Ctrl-C ends the server")
    page.queue(default_concurrency_limit=1).launch(
        server_name=host,
        server_port=port,
        inbrowser=browser,
        quiet=True,
        max_file_size="2gb",
        **launch_options(),
    )


def trained_trackers() -> list[str]:
    """Trackers that can be used as they ship: the default, others with weights, and matching."""
    names = experiment_names("tracking")
    trained = [name for name in names if (WEIGHTS / f"{name}.safetensors").is_file()]
    return list(dict.fromkeys([default_tracker(), *trained, "matching"]))
