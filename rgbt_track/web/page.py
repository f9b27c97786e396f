"""The page of the web demo, in Gradio: source, target, tracker; picture, curves, downloads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

import numpy as np

from rgbt_track import __version__
from rgbt_track.io.drawing import draw_pair
from rgbt_track.synthetic.challenges import CHALLENGES
from rgbt_track.web.inputs import (
    IMAGE_SUFFIXES,
    MODALITY_CHOICES,
    VIDEO_SUFFIXES,
    Input,
    check_first_pair,
    file_input,
    parse_box,
    synthetic_input,
)
from rgbt_track.web.session import cached_tracker, run_tracker

SYNTHETIC, FILES = "synthetic sequence", "my files"
_FIRST_CHALLENGE = "smoke"
_KEPT_SECONDS = 3600
_CSS = """
.gradio-container { max-width: 72rem !important; margin: 0 auto !important; }
#pair img { width: 100% !important; height: auto !important; object-fit: contain;
  touch-action: none; cursor: crosshair;
  -webkit-user-drag: none; user-select: none; }
#curves { overflow-x: auto; } #curves svg { min-width: 30rem; }
#status { min-height: 1.6rem; } footer { display: none !important; }
"""


def build_page(trackers: Sequence[str]) -> Any:
    """The page as ``gradio.Blocks``; ``launch_options`` belongs to its ``launch``.

    ``trackers`` are the choices, the default first.
    """
    gr = _gradio()
    with gr.Blocks(title="rgbt-track", delete_cache=(_KEPT_SECONDS, _KEPT_SECONDS)) as page:
        gr.Markdown(
            f"# rgbt-track {__version__}\n"
            "Follow a target through visible and thermal frames: draw a box around it in either "
            "image, then track."
        )
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                source = gr.Radio([SYNTHETIC, FILES], value=SYNTHETIC, label="Source",
                                  elem_id="source")  # fmt: skip
                challenge = gr.Dropdown(list(CHALLENGES), value=_FIRST_CHALLENGE, label="Sequence")
                kinds = [*VIDEO_SUFFIXES, *IMAGE_SUFFIXES]
                rgb, tir = (
                    gr.File(label=f"{name}: a video, or images", file_count="multiple",
                            file_types=kinds, visible=False, height=120)
                    for name in ("Visible", "Thermal")
                )  # fmt: skip
                show = gr.Button("Show the first frame", elem_id="show")
                target = gr.Textbox(label="Target: x, y, w, h in pixels", elem_id="target")
                tracker = gr.Dropdown(list(trackers), value=trackers[0], label="Tracker")
                modalities = gr.Radio(list(MODALITY_CHOICES), value="both", label="Modalities")
                with gr.Row():
                    track = gr.Button("Track", variant="primary", elem_id="track")
                    stop = gr.Button("Stop", elem_id="stop")
            with gr.Column(scale=2, min_width=320):
                pair = gr.Image(show_label=False, elem_id="pair", interactive=False,
                                format="jpeg", buttons=[])  # fmt: skip
                status = gr.Markdown(elem_id="status")
                curves = gr.HTML(elem_id="curves")
                files = gr.File(label="Boxes, scores and weights, video", visible=False,
                                file_count="multiple", interactive=False)  # fmt: skip
        chosen = [source, challenge, rgb, tir]
        first = {"fn": _first, "inputs": chosen, "outputs": [pair, target, status, curves]}
        source.change(
            lambda kind: (
                [gr.update(visible=kind == SYNTHETIC)] + [gr.update(visible=kind == FILES)] * 2
            ),
            source,
            [challenge, rgb, tir],
            api_visibility="private",
        )
        show.click(**first, api_name="first")
        challenge.change(**first, api_visibility="private")
        page.load(**first, api_visibility="private")
        running = track.click(
            _track,
            [*chosen, target, tracker, modalities],
            [pair, curves, status, files],
            api_name="track",
        )
        stop.click(lambda: "stopped", None, status, cancels=[running], api_visibility="private")
    return page


def launch_options() -> dict[str, Any]:
    """Arguments of ``launch`` that the page needs: no font or script from elsewhere."""
    gr = _gradio()
    script = (resources.files("rgbt_track.web") / "draw_box.js").read_text(encoding="utf-8")
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    return {
        "theme": gr.themes.Default(**fonts),
        "css": _CSS,
        "head": f"<script>{script}</script>",
        "footer_links": [],
        "show_error": True,
        "share": False,
    }


def _gradio() -> Any:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import gradio  # heavy, and needed by this page alone

    return gradio


def _open(source: str, challenge: str, rgb: list[str] | None, tir: list[str] | None) -> Input:
    return synthetic_input(challenge) if source == SYNTHETIC else file_input(rgb or (), tir or ())


def _first(source: str, challenge: str, rgb: Any, tir: Any) -> tuple[Any, str, str, str]:
    """The first pair, a target where one is known, and one line."""
    try:
        opened = _open(source, challenge, rgb, tir)
        first = check_first_pair(next(opened.pairs, None))
    except (ValueError, OSError) as error:
        return None, "", _error_line(error), ""
    boxes = np.empty((0, 4)) if opened.box is None else opened.box[None]
    box = ", ".join(f"{value:.1f}" for value in boxes.ravel())
    frames = "an unknown number of" if opened.length is None else opened.length
    hint = "; the target is that of its ground truth, draw another if you like" if box else ""
    return draw_pair(*first, boxes), box, f"{frames} frames{hint}", ""


def _track(
    source: str, challenge: str, rgb: Any, tir: Any, target: str, tracker: str, modalities: str
) -> Iterator[tuple[Any, ...]]:
    """Picture, curves and line as they come; the files at the end."""
    gr = _gradio()
    kept, no_files = gr.skip(), gr.update(value=None, visible=False)
    try:
        box = parse_box(target or "")
        opened = _open(source, challenge, rgb, tir)
        yield kept, "", f"loading {tracker}", no_files
        for step in run_tracker(cached_tracker(tracker), opened, box, modalities):
            files = no_files
            if step.files is not None:
                files = gr.update(value=list(map(str, step.files)), visible=True)
            yield step.image, step.curves, step.text, files
    except (ValueError, OSError, ModuleNotFoundError) as error:
        yield kept, kept, _error_line(error), no_files


def _error_line(error: Exception) -> str:
    """One line for the page, as plain text: no name in it is taken for Markdown."""
    text = " ".join(str(error).split())
    for mark in "\\`*_<>[]#":
        text = text.replace(mark, f"\\{mark}")
    return f"**error:** {text}"
