"""Draws the picture at the top of the README: the shipped tracker on a synthetic sequence.

    python docs/make_picture.py docs/tracking.gif

Visible and thermal frames side by side with the box of the tracker; smoke
comes and goes. Everything in it is made by this repository.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from rgbt_track import load_tracker
from rgbt_track.io.drawing import draw_pair
from rgbt_track.synthetic.scene import scene_frames

SEED, FRAMES, SIZE, CHALLENGE = 5, 96, (320, 240), "smoke"
EVERY, WIDTH, COLORS, SECONDS = 5, 480, 128, 0.2


def frames(tracker_name: str = "lrrtrack_small") -> list[np.ndarray]:
    """Some frames of the run, evenly spread, (H, W, 3) RGB."""
    tracker, state, pictures = load_tracker(tracker_name), None, []
    for index, frame in enumerate(scene_frames(SEED, FRAMES, SIZE, CHALLENGE)):
        if state is None:
            state = tracker.init(frame.rgb, frame.tir, frame.box)
        else:
            state = tracker.update(frame.rgb, frame.tir, state)
        if index % EVERY == 0:
            picture = draw_pair(frame.rgb, frame.tir, state.box, f"score {state.score:.2f}")
            height = round(picture.shape[0] * WIDTH / picture.shape[1])
            pictures.append(cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA))
    return pictures


def write_gif(path: Path, pictures: list[np.ndarray]) -> None:
    """One palette for all frames, so that what stands still costs nothing."""
    sample = Image.fromarray(np.vstack(pictures[:: len(pictures) // 4]))
    palette = sample.quantize(COLORS, method=Image.Quantize.MEDIANCUT)
    images = [
        Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)
        for picture in pictures
    ]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=round(SECONDS * 1000), loop=0
    )


if __name__ == "__main__":
    write_gif(Path(sys.argv[1]), frames())
