"""The three journeys of ``docs/journeys.md``, each command as typed, in an empty folder.

Only data are made here, small, and ``first.yaml`` is shortened. The programs are installed ones.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from training_material import SIZE, frame

from rgbt_track.config.pairs import SourceConfig
from rgbt_track.config.tracker import load_experiment
from rgbt_track.io.images import write_image
from rgbt_track.io.video.writer import VideoFile
from rgbt_track.pairs.sources import select_names
from rgbt_track.training.datamodule import PairData

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parents[1] / "docs" / "journeys.md").read_text(encoding="utf-8")
JOURNEYS = dict(re.findall(r"^## (\d)\. .*?\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M))
FRAMES = 6


def blocks(number: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", JOURNEYS[number], re.S)


def commands(number: str) -> list[str]:
    return [line for block in blocks(number, "bash") for line in block.splitlines()]


def typed(command: str, folder: Path, status: int = 0) -> str:
    """What a command prints, typed in a folder where only the installed programs are known."""
    programs = os.pathsep.join([sysconfig.get_path("scripts"), str(Path(sys.executable).parent)])
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment = {**kept, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def named_file(block: str, folder: Path) -> Path:
    """A block of the page as the file that its first line names."""
    name = re.match(r"# ([\w.]+)\n", block)
    assert name is not None
    path = folder / name[1]
    path.write_text(block)
    return path


def write_lasher(root: Path) -> list[str]:
    """A tree shaped as LasHeR's release, with a sequence for training, validation and testing."""
    candidates = [f"walk{number}" for number in range(200)]
    left_out = select_names(candidates, SourceConfig(dataset="lasher", left_out=40))
    held = candidates[left_out[0]]
    trained = [name for name in candidates if name != held][:3]
    splits = {"trainingset": [held, *trained[:2]], "testingset": [trained[2]]}
    for split, names in splits.items():
        for index, name in enumerate(names):
            folder, rows = root / split / name, []
            for modality in ("visible", "infrared"):
                (folder / modality).mkdir(parents=True)
            for number in range(FRAMES):
                rgb, tir, box = frame(number, 60 * (index + 1), index)
                write_image(folder / "visible" / f"v{number:06d}.png", rgb)
                write_image(folder / "infrared" / f"i{number:06d}.png", tir)
                rows.append(",".join(f"{value:g}" for value in box))
            (folder / "init.txt").write_text("\n".join(rows) + "\n")
        (root / f"{split}List.txt").write_text("\n".join(names) + "\n")
    return splits["testingset"]


def test_train_on_lasher_and_report_numbers(tmp_path: Path) -> None:
    (tested,) = write_lasher(tmp_path / "LasHeR")
    check, pack, train, runs, evaluate, score = commands("1")
    # Of a whole copy nothing is wrong; of this one the counts are, and nothing else.
    said = typed(check, tmp_path, status=1)
    errors = re.findall(r"^error: (.*)$", said, re.M)
    assert errors and all("sequences" in line or "frames" in line for line in errors), said
    assert "3 tracks, 18 crops" in typed(pack, tmp_path)
    # The real experiment needs nothing else than these two.
    lines = re.findall(r"^    rgbt-track train (lrrtrack_r50) (.*)$", JOURNEYS["1"], re.M)
    ((name, settings),) = lines
    assert name == "lrrtrack_r50"
    data = PairData(load_experiment(name, [*settings.split(), f"training.root={tmp_path}"]))
    assert len(data.sequences) == 1
    # The page's first experiment, shortened.
    (block,) = blocks("1", "yaml")
    path = named_file(block, tmp_path)
    values = yaml.safe_load(path.read_text())
    values["training"] |= {"epochs": 1, "pairs_per_epoch": 8, "batch": 4, "workers": 0}
    values["model"] |= {"backbone_args": {"widths": [8, 8, 8], "blocks": [1]}, "neck_channels": 8}
    path.write_text(yaml.safe_dump(values))
    said = typed(train, tmp_path)
    assert "to use them: rgbt-track track --tracker runs/first" in said
    assert (tmp_path / "runs" / "first" / "best.safetensors").is_file()
    assert "first" in typed(runs, tmp_path)
    assert "report in results/lasher/first/report/report.html" in typed(evaluate, tmp_path)
    assert len((tmp_path / "results/lasher/first" / f"{tested}.txt").read_text().split()) == FRAMES
    said = typed(score, tmp_path)
    assert re.search(r"\| first \|.*0\.\d{4}", said), said
    assert all(measure in said for measure in ("PR", "NPR", "SR"))


def write_cameras(folder: Path) -> np.ndarray:
    """A visible and a thermal video of another size and view, and points that both see.

    Returns the boxes (N, 4).
    """
    to_thermal = np.array([[0.75, 0.02, 6.0], [-0.01, 0.72, 4.0], [0.0, 0.0, 1.0]])
    boxes = []
    width = SIZE * 4 // 3
    with VideoFile(folder / "day.mp4", 25) as day, VideoFile(folder / "thermal.mkv", 25) as hot:
        for number in range(FRAMES):
            rgb, tir, box = frame(number, 200, 3)
            day.add(rgb)
            warped = cv2.warpPerspective(tir, to_thermal, (width, SIZE))
            hot.add(cv2.cvtColor(warped, cv2.COLOR_GRAY2RGB))
            boxes.append(box)
    rgb_points = np.array([[10, 10], [110, 12], [20, 80], [100, 85], [60, 50]], float)
    tir_points = cv2.perspectiveTransform(rgb_points[:, None], to_thermal)[:, 0]
    rows = np.concatenate([rgb_points, tir_points], axis=1)
    np.savetxt(folder / "points.txt", rows, fmt="%.3f", delimiter=",")
    return np.array(boxes)


def test_follow_a_target_with_two_cameras(tmp_path: Path) -> None:
    truth = write_cameras(tmp_path)
    register, track = commands("2")
    said = typed(register, tmp_path)
    residual = re.search(r"([\d.]+) (?:px|pixels)", said)
    assert residual is not None and float(residual[1]) < 0.1, said
    assert "output/track1" in typed(track, tmp_path)
    folder = tmp_path / "output" / "track1"
    assert {path.name for path in folder.iterdir()} == {
        "boxes.txt", "scores.txt", "video.mp4", "picture.png",
    }  # fmt: skip
    boxes = np.loadtxt(folder / "boxes.txt", delimiter=",")
    assert boxes.shape == (FRAMES, 4)
    centers = boxes[:, :2] + boxes[:, 2:] / 2 - truth[:, :2] - truth[:, 2:] / 2
    assert np.abs(centers).max() < 8


def test_put_a_fusion_into_another_tracker(tmp_path: Path) -> None:
    (block,) = blocks("3", "python")
    named_file(block, tmp_path)
    (command,) = commands("3")
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", typed(command, tmp_path))]
    assert len(losses) == 3 and losses[2] < 0.9 * losses[0]
    assert (tmp_path / "two_cameras.pt").is_file()


def test_the_page_has_three_journeys() -> None:
    assert sorted(JOURNEYS) == ["1", "2", "3"]
    every = commands("1") + commands("2") + commands("3")
    assert all(line.startswith(("rgbt-track ", "python ")) for line in every)
