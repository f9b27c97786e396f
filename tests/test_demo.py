"""The demo and the VOT commands, from the command line's functions to the files they leave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rgbt_track.cli import app
from rgbt_track.commands.demo import claim_folder
from rgbt_track.resources import default_tracker
from rgbt_track.synthetic.dataset import synthesize_sequences

pytest.importorskip("vot", reason="the VOT toolkit is not installed")


def run(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result, " ".join(result.output.split())


@pytest.mark.slow
def test_demo_ends_with_measures_and_a_report_and_can_run_again(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    out = tmp_path / "demo"
    settings = ("--out", out, "--sequences", "2", "--frames", "30", "--tracker", "matching")
    result, text = run("demo", *settings)
    assert result.exception is None, text
    assert "tracker matching: training-free" in text
    assert "synthetic: 2 sequences, 60 frames, 4 runs from anchors" in text
    assert "EAO" in text and "robustness" in text
    report = out / "workspace" / "reports" / "matching" / "report.html"
    assert "<title>VOT report</title>" in report.read_text(encoding="utf-8")
    (analysis,) = (out / "workspace" / "analysis").glob("*.json")
    measures = json.loads(analysis.read_text())["results"]["everyframe"]["results"]
    accuracy, robustness = measures[0][0][:2]
    assert f"{accuracy:.4f}" in text and f"{robustness:.4f}" in text
    # Far from chance on targets that move: the chain of boxes and frames is not off anywhere.
    assert accuracy > 0.4 and robustness > 0.4

    results = sorted((out / "workspace" / "results").rglob("*.bin"))
    before = {file: file.stat().st_mtime_ns for file in results}
    image = next((out / "data").rglob("*.jpg"))
    image_time = image.stat().st_mtime_ns
    result, again = run("demo", *settings)
    assert result.exception is None, again
    assert all(file.stat().st_mtime_ns > before[file] for file in results)
    assert image.stat().st_mtime_ns == image_time
    assert f"{accuracy:.4f}" in again


def test_other_settings_replace_only_what_the_demo_made(tmp_path):
    out = tmp_path / "demo"
    claim_folder(out, {"seed": 0})
    for folder in ("data", "workspace", "mine"):
        (out / folder).mkdir()
    claim_folder(out, {"seed": 0})
    assert (out / "data").is_dir()
    claim_folder(out, {"seed": 1})
    assert not (out / "data").exists() and not (out / "workspace").exists()
    assert (out / "mine").is_dir()


def test_demo_refuses_a_folder_that_is_not_its_own(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    result, _ = run("demo", "--out", tmp_path)
    assert isinstance(result.exception, ValueError)
    assert "holds something that no demo made" in str(result.exception)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--tracker", "nothing"], FileNotFoundError, "unknown name 'nothing'"),
        (["--weights", "none.pth"], FileNotFoundError, "no such weights file: none.pth"),
    ],
)
def test_demo_refuses_unknown_trackers_before_it_writes(tmp_path, arguments, error, message):
    result, _ = run("demo", "--out", tmp_path / "demo", *arguments)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
    assert not (tmp_path / "demo").exists()


def test_demo_says_when_a_network_is_untrained(tmp_path, monkeypatch):
    config = tmp_path / "fresh.yaml"
    config.write_text("note: just built\nmodel: {backbone: lite}\n")

    def stop(*_, **__):
        raise ValueError("far enough")

    monkeypatch.setattr("rgbt_track.commands.demo.synthesize_sequences", stop)
    result, text = run("demo", "--out", tmp_path / "demo", "--tracker", config)
    assert str(result.exception) == "far enough"
    assert "tracker fresh (untrained): just built" in text


def test_default_tracker_is_never_an_untrained_one():
    from rgbt_track.tracking.loading import own_weights, read_config

    config = read_config(default_tracker())
    trained = own_weights(config, default_tracker()) is not None
    assert trained or not config.model.is_learned
    assert config.note


@pytest.fixture
def footage(tmp_path):
    synthesize_sequences(tmp_path / "footage", count=2, frames=30, size=(96, 72), seed=1)
    return tmp_path / "footage"


def test_vot_workspace_command(footage, tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text("model: {backbone: lite}\n")
    out = tmp_path / "ws"
    result, text = run("vot", "workspace", "plain", "--root", footage, out, "--tracker", config)
    assert result.exception is None, text
    assert "2 sequences, 60 frames, 4 runs from anchors; stack auto, EAO over 5..30 frames" in text
    assert "--tracker own" in text
    assert "[own]\nlabel = own (untrained)" in (out / "trackers.ini").read_text()
    truth = np.loadtxt(footage / "day" / "groundtruth.txt", delimiter=",")
    written = np.loadtxt(out / "sequences" / "day" / "groundtruth.txt", delimiter=",")
    assert np.allclose(truth, written, atol=1e-4)
    result, text = run(
        "vot", "workspace", "plain", "--root", footage, out, "--stack", "vot2020/rgbtir"
    )
    assert result.exception is None, text
    assert "stack vot2020/rgbtir, EAO over 115..755 frames" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plain", "--root", "missing"], "missing"),
        (["plian", "--root", "."], "did you mean 'plain'"),
        (["plain", "--root", ".", "--stack", "vot1999"], "unknown stack 'vot1999'"),
        (["plain", "--root", ".", "--device", "cuda"], "belong to one --tracker"),
    ],
)
def test_vot_workspace_refuses_in_one_line(footage, tmp_path, arguments, message):
    arguments = [str(footage) if argument == "." else argument for argument in arguments]
    result, _ = run("vot", "workspace", *arguments, tmp_path / "ws")
    assert isinstance(result.exception, (ValueError, OSError))
    assert message in str(result.exception)
    assert not (tmp_path / "ws").exists()


def test_vot_evaluate_refuses_what_is_no_workspace(tmp_path):
    result, _ = run("vot", "evaluate", tmp_path)
    assert isinstance(result.exception, FileNotFoundError)
    assert "make one with rgbt-track vot workspace" in str(result.exception)
    assert list(Path(tmp_path).iterdir()) == []
