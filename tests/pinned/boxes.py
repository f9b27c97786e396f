"""Boxes and scores of the shipped trackers, and responses of the one without weights."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml

from pinned.synthetic import FRAMES, rounded
from rgbt_track import load_tracker

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@dataclass(frozen=True)
class Scenario:
    """A sequence to track, which frames have which modality, and settings other than shipped.

    ``thermal`` is the sequence that the thermal frames are from, if it is another one.
    """

    sequence: str = "day"
    thermal: str | None = None
    without_rgb: tuple[int, ...] = ()
    without_tir: tuple[int, ...] = ()
    frames: tuple[int, ...] = tuple(range(FRAMES))
    deep_thermal: bool = False
    tracking: Mapping[str, Any] = field(default_factory=dict)


ALL = tuple(range(FRAMES))
COMMON = {
    "both": Scenario(),
    "night": Scenario("night"),
    "crossover": Scenario("crossover"),
    "rgb only": Scenario(without_tir=ALL),
    "thermal only": Scenario(without_rgb=ALL),
    "thermal drops out": Scenario(without_tir=(4, 5, 6, 7)),
    "thermal comes late": Scenario(without_tir=(0, 1, 2, 3)),
    "both drop out": Scenario(without_tir=(5, 6), without_rgb=(5,)),
    "16-bit thermal of half size": Scenario(deep_thermal=True),
    "fixed decision": Scenario("night", tracking={"decision": "fixed"}),
    "pysot_exact": Scenario(tracking={"pysot_exact": True}),
}
SCENARIOS: dict[str, dict[str, Scenario]] = {
    "lrrtrack_lite": {
        **COMMON,
        "template update": Scenario(
            tracking={
                "template_update_every": 3,
                "template_update_rate": 0.3,
                "template_update_score": 0.3,
            }
        ),
        "wide search": Scenario(
            "night",
            frames=(0, 1, 5, 11, 0, 6),
            tracking={
                "wide_search_size": 255,
                "wide_search_below": 1.0,
                "wide_search_score": 0.3,
            },
        ),
        "no wide search": Scenario("night", frames=(0, 1, 5, 11, 0, 6)),
        "thermal mean shift": Scenario(tracking={"thermal_mean_shift": True}),
        "misleading thermal": Scenario(thermal="night"),
        "misleading thermal, untested": Scenario(
            thermal="night", tracking={"calibrate_branches": False}
        ),
    },
    "matching": {
        **COMMON,
        "no template update": Scenario(tracking={"template_update_every": 0}),
    },
}


def boxes(
    sequences: Path, tracker: str, scenario: Scenario, engine: str = "torch"
) -> list[list[float]]:
    """x, y, w, h and score of every frame of a scenario."""
    values = yaml.safe_load((EXPERIMENTS / f"{tracker}.yaml").read_text())
    values["tracking"] = {**values["tracking"], **scenario.tracking}
    if tracker == "lrrtrack_lite":
        values["weights"] = "lrrtrack_lite.safetensors"
    path = sequences.parent / f"{tracker}.yaml"
    path.write_text(yaml.safe_dump(values))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_tracker(path, engine=engine)
    folder = sequences / scenario.sequence
    first = np.loadtxt(folder / "groundtruth.txt", delimiter=",")[0]
    rows, state = [], None
    for index in scenario.frames:
        name = f"{index + 1:08d}"
        rgb = cv2.imread(str(folder / "color" / f"{name}.jpg"))[..., ::-1]
        thermal = sequences / (scenario.thermal or scenario.sequence)
        tir = cv2.imread(str(thermal / "ir" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        if scenario.deep_thermal:
            tir = tir[::2, ::2].astype(np.uint16) * 21 + 7000
        pair = (
            None if index in scenario.without_rgb else np.ascontiguousarray(rgb),
            None if index in scenario.without_tir else tir,
        )
        if state is None:
            state = loaded.init(*pair, first)
        else:
            state = loaded.update(*pair, state)
        rows.append(rounded([*state.box, state.score]))
    return rows


def responses() -> dict[str, Any]:
    """lrrtrack_r50 as it starts from seed 0: each branch's logits and offsets, every 97th."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = load_tracker("lrrtrack_r50", engine="torch").engine.network
    rng = np.random.default_rng(2)
    sides = {"template": 127, "search": 191}
    crops = {
        side: {
            name: torch.from_numpy(rng.integers(0, 256, (1, 3, size, size)).astype(np.float32))
            for name in ("rgb", "tir")
        }
        for side, size in sides.items()
    }
    with torch.inference_mode():
        kernels = network.kernels(network.template_levels(crops["template"]))
        answers = network.search(kernels, crops["search"])
    return {
        branch: {
            what: [float(f"{value:.6g}") for value in tensor.flatten()[::97].tolist()]
            for what, tensor in zip(("cls", "loc"), response, strict=True)
        }
        for branch, response in answers.items()
    }
