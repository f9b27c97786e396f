"""One evaluation by several machines, over one results folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import Run
from training_material import write_set

from rgbt_track.evaluation.runner import TrackingJob
from rgbt_track.evaluation.shards import Shard, parse_shard

ROOT = Path(__file__).parents[1]


class Clip:
    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_every_sequence_is_in_exactly_one_part(count: int) -> None:
    lengths = [5, 90, 14, 14, 60, 33, 2, 14, 71, 8]
    everything = [
        TrackingJob(Clip(length), Path(f"{number}.txt"))  # type: ignore[arg-type]
        for number, length in enumerate(lengths)
    ]
    parts = [Shard(number + 1, count).select(everything) for number in range(count)]
    shuffled = [Shard(number + 1, count).select(everything[::-1]) for number in range(count)]
    assert parts == shuffled
    assert sorted(str(job.path) for part in parts for job in part) == sorted(
        str(job.path) for job in everything
    )
    frames = [sum(len(job.sequence) for job in part) for part in parts]
    assert max(frames) - min(frames) <= max(lengths)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "-1/2", "1/2/3", "a/b", "", "1/ 2"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"--shard is .* expected I/N"):
        parse_shard(text)


def test_parts_fill_one_folder_and_the_last_writes_the_report(run: Run, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", sequences=3, frames=3)
    folder = tmp_path / "r" / "matching"
    options = ("--root", root, "--tracker", "matching", "--results", tmp_path / "r", "--no-plots")
    status, said, error = run("evaluate", "plain", *options, "--shard", "2/2")
    assert status == 0, error
    assert "part 2/2 is done; the report waits for 2 of 3 sequences: " in said
    assert not (folder / "report").exists()
    boxes = {path: path.stat().st_mtime_ns for path in folder.glob("walk_?.txt")}
    assert len(boxes) == 1
    assert (
        "--force would delete" in run("evaluate", "plain", *options, "--shard", "1/2", "--force")[2]
    )
    status, said, _ = run("evaluate", "plain", *options, "--shard", "1/2")
    assert status == 0 and "report in" in said
    assert {path: path.stat().st_mtime_ns for path in boxes} == boxes  # nothing is run twice
    assert (folder / "report" / "report.html").is_file()
    whole = ("--root", root, "--tracker", "matching", "--results", tmp_path / "w", "--no-plots")
    assert run("evaluate", "plain", *whole)[0] == 0
    for name in ("walk_0.txt", "walk_1.txt", "walk_2.txt"):
        assert (folder / name).read_text() == (tmp_path / "w" / "matching" / name).read_text()


SLURM = {
    "slurm_train.sh": (
        ["lrrtrack_r50", "runs/x", "training.batch=8"],
        "srun rgbt-track train lrrtrack_r50 training.batch=8 --out runs/x --devices 4 --nodes 2",
    ),
    "slurm_evaluate.sh": (
        ["lasher", "--root", "a b"],
        "rgbt-track evaluate lasher --root a b --shard 3/8",
    ),
}


@pytest.mark.parametrize("name", SLURM)
def test_the_slurm_examples_call_what_there_is(name: str, tmp_path: Path) -> None:
    given, expected = SLURM[name]
    for command in ("srun", "rgbt-track"):
        (tmp_path / command).write_text(f'#!/bin/sh\necho {command} "$@"\n')
        (tmp_path / command).chmod(0o755)
    variables = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "SLURM_NTASKS_PER_NODE": "4",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_ARRAY_TASK_COUNT": "8",
    }
    script = ROOT / "experiments" / name
    done = subprocess.run(
        ["bash", script, *given], env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected
