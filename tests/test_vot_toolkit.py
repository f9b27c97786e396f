"""Running the toolkit: what is missing, what it complains about, and the measures read back."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from stub_network import disc_frame

from rgbt_track.commands.vot.evaluate import score_table
from rgbt_track.data.annotations import Annotation
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.images import write_image
from rgbt_track.models.engines.export import write_export
from rgbt_track.tracking.loading import load_network, read_config
from rgbt_track.vot import toolkit
from rgbt_track.vot.registry import tracker_section
from rgbt_track.vot.results import Score, expected_runs, experiments, read_scores
from rgbt_track.vot.stacks import eao_interval
from rgbt_track.vot.workspace import build_workspace

pytest.importorskip("vot", reason="the VOT toolkit is not installed")


# A tracker of a few lines that speaks TraX, so that the toolkit is tested apart from a network.
TRACKERS = """
import os, sys, trax
with trax.Server([trax.Region.RECTANGLE], [trax.Image.PATH], ["color", "ir"]) as server:
    while (request := server.wait()).type != "quit":
        if request.type == "initialize":
            left, top, width, height = request.objects[0][0].bounds()
        elif os.environ["HABIT"] == "crash":
            raise RuntimeError("the lens cap is on")
        elif os.environ["HABIT"] == "lose":
            left, top, width, height = 0, 0, 2, 2
        server.status([(trax.Rectangle.create(left, top, width, height), {})])
"""
SPEED = 0.2


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Two sequences whose target drifts by 0.2 pixels a frame, and three trackers' habits."""
    place = tmp_path_factory.mktemp("toolkit")
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (60, 80, 3), np.uint8)
    write_image(place / "frame.png", picture)
    sequences = []
    for name, length in (("short", 40), ("long", 60)):
        boxes = np.tile([20.0, 20.0, 20.0, 20.0], (length, 1))
        boxes[:, 0] += SPEED * np.arange(length)
        files = (place / "frame.png",) * length
        sequences.append(Sequence(name, files, files, Annotation(boxes, np.zeros(length, bool))))
    (place / "habits.py").write_text(TRACKERS)
    sections = {
        habit: {
            "label": f"{habit} label",
            "protocol": "traxpython",
            "command": "habits",
            "paths": str(place),
            "env_HABIT": habit,
        }
        for habit in ("stand", "lose", "crash")
    }
    build_workspace(sequences, place / "ws", trackers=sections)
    return place / "ws"


def overlaps_of_standing(length, start):
    """Frame by frame, a box that stays where it began against the one that drifts.

    The toolkit rounds both to whole pixels and takes no overlap in the first frame of a run.
    """
    position = [round(20 + SPEED * frame) for frame in range(length)]
    order = range(length) if start == 0 else reversed(range(length))
    shifts = [abs(position[frame] - position[start]) for frame in order]
    return [0.0] + [(20 - shift) / (20 + shift) for shift in shifts[1:]]


def measures_twin(lengths, low, high):
    """Accuracy and EAO of that tracker, which never fails, from their definitions in VOT2020."""
    runs = [overlaps_of_standing(n, start) for n in lengths for start in (0, n - 1)]
    accuracy = sum(map(sum, runs)) / sum(map(len, runs))
    curve = []
    for span in range(low, high):
        means = [sum(run[1 : span + 1]) / span for run in runs if len(run) > span]
        curve.append(sum(means) / len(means))
    return accuracy, sum(curve) / len(curve)


def test_evaluate_analyse_report(workspace):
    seen = []
    toolkit.evaluate(workspace, "stand", on_progress=lambda *step: seen.append(step))
    assert seen[-1] == (2 * 40 + 2 * 60, 200)
    (score,) = toolkit.analyse(workspace, ["stand"])
    assert (score.tracker, score.experiment) == ("stand", "everyframe")
    accuracy, eao = measures_twin((40, 60), *eao_interval((40, 60)))
    assert score.robustness == 1
    assert score.accuracy == pytest.approx(accuracy, abs=1e-9)
    assert score.eao == pytest.approx(eao, abs=1e-9)
    file = toolkit.report(workspace, ["stand"])
    assert file == workspace / "reports" / "stand" / "report.html"
    page = file.read_text(encoding="utf-8")
    assert "stand label" in page
    assert f"{score.eao:.3f}"[:4] in page
    table = score_table([score])
    assert [next(iter(column.cells)) for column in table.columns] == [
        "stand",
        "everyframe",
        f"{score.eao:.4f}",
        f"{score.accuracy:.4f}",
        "1.0000",
    ]


def test_an_eao_out_of_reach_is_not_shown_as_a_bare_number(workspace):
    """Runs of 60 frames where the challenge asks for 115 to 755, and where 50 to 70 are asked."""
    assert [item.value for item in toolkit.highest_eao(workspace).values()] == [1.0]
    score = Score("stand", "baseline", 0.0, 0.5, 0.25)

    def shown(low, high):
        stack = {"experiments": {"baseline": {"type": "multistart", "analyses": [
            {"type": "multistart_eao_score", "low": low, "high": high}]}}}  # fmt: skip
        (workspace / "other.yaml").write_text(json.dumps(stack))
        config = workspace / "config.yaml"
        kept = config.read_text()
        try:
            config.write_text("stack: other.yaml\n")
            table = score_table([score], toolkit.highest_eao(workspace))
        finally:
            config.write_text(kept)
        return next(iter(table.columns[2].cells))

    assert shown(115, 755) == "not measurable"
    assert shown(50, 70) == "0.0000 of 0.5000"
    assert shown(20, 60) == "0.0000"
    assert not toolkit.is_vot_rgbt2020(workspace)


def test_only_what_is_missing_runs_again_unless_forced(workspace):
    toolkit.evaluate(workspace, "stand")
    folder = workspace / "results" / "stand" / "everyframe" / "short"
    kept, removed = folder / "short_00000000.bin", folder / "short_00000039.bin"
    before = kept.stat().st_mtime_ns
    removed.unlink()
    toolkit.evaluate(workspace, "stand")
    assert removed.is_file()
    assert kept.stat().st_mtime_ns == before
    toolkit.evaluate(workspace, "stand", force=True)
    assert kept.stat().st_mtime_ns > before


def test_analysis_sees_changed_results(workspace):
    toolkit.evaluate(workspace, "stand")
    (before,) = toolkit.analyse(workspace, ["stand"])
    folder = workspace / "results" / "stand" / "everyframe" / "long"
    run = folder / "long_00000000.bin"
    kept = run.read_bytes()
    try:
        run.unlink()
        run.with_suffix(".txt").write_text("1\n" + "0,0,2,2\n" * 59)
        (after,) = toolkit.analyse(workspace, ["stand"])
        assert after.robustness < before.robustness
    finally:
        run.with_suffix(".txt").unlink()
        run.write_bytes(kept)


def test_a_crash_is_told_in_one_line_with_the_log(workspace):
    with pytest.raises(ValueError) as caught:
        toolkit.evaluate(workspace, "crash")
    line = str(caught.value)
    assert "\n" not in line
    assert "crash did not finish 4 of 4 runs" in line
    assert "the lens cap is on" in line
    log = Path(line.split("(log: ")[1].split(", which ends: ")[0])
    assert "RuntimeError: the lens cap is on" in log.read_text()


def test_incomplete_results_give_no_analysis_and_no_report(workspace):
    for step in (toolkit.analyse, toolkit.report):
        with pytest.raises(ValueError, match=r"crash: results are missing: evaluate"):
            step(workspace, ["crash"])


def test_a_tracker_that_loses_everything_is_told_so(workspace):
    toolkit.evaluate(workspace, "lose")
    with pytest.raises(ValueError, match="every run lost the target at its start"):
        toolkit.analyse(workspace, ["lose"])


def test_unknown_tracker_is_refused_with_the_nearest(workspace):
    with pytest.raises(ValueError, match=r"no tracker 'stan', did you mean 'stand'\?; valid: "):
        toolkit.evaluate(workspace, "stan")


def test_what_is_no_workspace_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no VOT workspace"):
        toolkit.evaluate(tmp_path, "matching")


def test_a_toolkit_that_is_missing_hidden_or_of_another_version(monkeypatch, tmp_path):
    toolkit.check_toolkit()
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.9.0")
    with pytest.raises(
        ModuleNotFoundError, match=r'vot-toolkit 0.9.0 cannot .*"rgbt-track\[vot\]"'
    ):
        toolkit.check_toolkit()
    for name in [name for name in sys.modules if name.split(".")[0] == "vot"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "vot.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"vot.py hides the VOT toolkit"):
        toolkit.check_toolkit()
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError, match=r"not installed: pip install \"rgbt-track\[vot\]"
    ):
        toolkit.check_toolkit()


def test_experiments_of_our_own_and_of_the_stock_stack(workspace, tmp_path):
    assert experiments(workspace, tmp_path) == ["everyframe"]
    (tmp_path / "config.yaml").write_text("stack: vot2020/rgbtir\n")
    assert experiments(tmp_path, toolkit._toolkit_folder()) == ["baseline"]
    with pytest.raises(ValueError, match="there is no stack 'vot2020/rgbtir'"):
        experiments(tmp_path, tmp_path)
    (tmp_path / "stack.yaml").write_text("experiments: {one: {type: unsupervised}}\n")
    (tmp_path / "config.yaml").write_text("stack: stack.yaml\n")
    with pytest.raises(ValueError, match="has no multistart experiment"):
        experiments(tmp_path, tmp_path)


def test_expected_runs_are_those_of_the_anchors(workspace, tmp_path):
    runs = expected_runs(workspace, "any", tmp_path)
    assert {run.name: frames for run, frames in runs.items()} == {
        "short_00000000": 40,
        "short_00000039": 40,
        "long_00000000": 60,
        "long_00000059": 60,
    }


def test_scores_are_read_by_type_not_by_place(tmp_path):
    document = {
        "trackers": {"a": {}, "b": {}},
        "results": {
            "exp": {
                "parameters": {
                    "analyses": [
                        {"type": "vot.analysis.multistart.EAOScore"},
                        {"type": "vot.analysis.multistart.EAOCurve"},
                        {"type": "vot.analysis.multistart.AverageAccuracyRobustness"},
                    ]
                },
                "results": [
                    [[0.1], [0.2]],
                    [[[0, 1]], [[0, 1]]],
                    [[0.3, 0.4, [0.4, 0.3], 9, 9], [0.5, 0.6, [0.6, 0.5], 9, 9]],
                ],
            }
        },
    }
    file = tmp_path / "a.json"
    file.write_text(json.dumps(document))
    assert read_scores(file) == [Score("a", "exp", 0.1, 0.3, 0.4), Score("b", "exp", 0.2, 0.5, 0.6)]


def test_an_exported_tracker_is_evaluated(tmp_path):
    """From the export's folder to the scores, through the process that the section starts."""
    config = read_config("lrrtrack_lite")
    network = load_network("lrrtrack_lite", config)
    write_export(tmp_path / "lite", network, config, "onnx")
    sequences = []
    for name in ("near", "far"):
        length = 12
        (tmp_path / name).mkdir()
        for index in range(length):
            picture = disc_frame(50 + 2 * index, 40, 14, 120, 90)
            write_image(tmp_path / name / f"{index:04d}.png", picture)
        files = tuple(tmp_path / name / f"{index:04d}.png" for index in range(length))
        boxes = np.array([[36.0 + 2 * index, 26, 28, 28] for index in range(length)])
        sequences.append(Sequence(name, files, files, Annotation(boxes, np.zeros(length, bool))))
    name, section = tracker_section(tmp_path / "lite", engine="openvino")
    assert Path(section["env_RGBT_TRACKER"]) == tmp_path / "lite"
    build_workspace(sequences, tmp_path / "ws", trackers={name: section})
    toolkit.evaluate(tmp_path / "ws", name)
    (score,) = toolkit.analyse(tmp_path / "ws", [name])
    assert score.tracker == "lrrtrack_lite" and score.accuracy > 0.5
