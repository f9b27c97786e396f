"""``rgbt-track vot table``: rows, weights and the published scores beside."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from rgbt_track.config.experiments import experiment_names
from rgbt_track.vot import toolkit
from rgbt_track.vot.paper_table import PAPER_TRACKERS, paper_table
from rgbt_track.vot.published import VOT_RGBT2020, VOTScore
from rgbt_track.vot.registry import tracker_label
from rgbt_track.vot.results import Score


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which every tracker has an EAO by the length of its name, and dfat failed."""
    folder = tmp_path / "ws"
    (folder / "sequences").mkdir(parents=True)
    for index in range(60):
        (folder / "sequences" / f"s{index}").mkdir()
        anchors = [1, *[0] * 1000, -1]
        np.savetxt(folder / "sequences" / f"s{index}" / "anchor.value", anchors, "%d")
    _list_sequences(folder, 60)
    (folder / "config.yaml").write_text("registry:\n- ./trackers.ini\nstack: vot2020/rgbtir\n")
    (folder / "trackers.ini").write_text("[own]\nlabel = mine\nprotocol = traxpython\n")

    def analyse(workspace: Path, trackers: list[str]) -> list[Score]:
        (name,) = trackers
        if name == "dfat":
            raise ValueError("every run lost the target at its start")
        return [Score(name, "baseline", len(name) / 100, 0.5, 0.25)]

    monkeypatch.setattr(toolkit, "evaluate", lambda *_, **__: None)
    monkeypatch.setattr(toolkit, "analyse", analyse)
    return folder


def _list_sequences(folder: Path, count: int) -> None:
    names = "\n".join(f"s{index}" for index in range(count))
    (folder / "sequences" / "list.txt").write_text(names)


def test_the_systems_of_the_paper_stand_beside_its_rows(run: Run, workspace: Path) -> None:
    out = workspace / "table.csv"
    code, output, err = run("vot", "table", workspace, "--out", out)
    assert code == 0, err
    assert "left out" not in output and "DFAT+LRRNet" in output and "warning" not in err
    assert "dfat has no scores: every run lost the target at its start" in err
    rows = {row["tracker"]: row for row in csv.DictReader(out.open())}
    for name, published in PAPER_TRACKERS.items():
        row = rows[f"{name} (untrained)"]
        assert row["EAO"] == ("" if name == "dfat" else str(len(name) / 100))
        assert row["in the paper"] == (published or "")
        assert row["its EAO"] == (str(VOT_RGBT2020[published].eao) if published else "")
    text = out.read_text()
    assert "RFNT,0.371," in text and "M2C2Frgbt,0.332," in text
    assert set(PAPER_TRACKERS) <= set(experiment_names("tracking"))


def test_published_rows_need_the_same_protocol(run: Run, workspace: Path) -> None:
    out = workspace / "table.csv"
    _list_sequences(workspace, 59)
    code, output, _ = run("vot", "table", workspace, "--out", out, "--tracker", "own")
    assert code == 0 and "published rows are left out" in output
    assert out.read_text() == "tracker,EAO,A,R\nmine,0.03,0.5,0.25\n"
    _list_sequences(workspace, 60)
    text = (workspace / "config.yaml").read_text()
    (workspace / "config.yaml").write_text(text.replace("vot2020", "vot2019"))
    assert "left out" in run("vot", "table", workspace, "--tracker", "own")[1]


def test_an_interval_that_no_run_reaches_is_said(run: Run, workspace: Path) -> None:
    for index in range(60):
        anchors = [1, *[0] * 118, -1]
        np.savetxt(workspace / "sequences" / f"s{index}" / "anchor.value", anchors, "%d")
    err = run("vot", "table", workspace, "--tracker", "own")[2]
    assert "longest run here has 120: a perfect tracker would score 0.0078" in err
    assert "--stack auto" in err


def test_rows_can_be_chosen_and_given_weights(run: Run, workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"")
    choice = ("--tracker", "own", "--tracker", "siamrpn_tir", "--weights", f"siamrpn_tir={file}")
    out = tmp_path / "table.md"
    assert run("vot", "table", workspace, *choice, "--out", out)[0] == 0
    registry = workspace / "trackers.ini"
    assert tracker_label(registry, "siamrpn_tir") == "siamrpn_tir"
    assert f"env_RGBT_WEIGHTS = {file}" in registry.read_text()
    text = out.read_text()
    assert "| mine | 0.0300 | 0.5000 | 0.2500 |  |" in text
    assert "| siamrpn_tir | 0.1100 |" in text and "early_fusion" not in text


def test_a_tracker_that_fails_leaves_the_others_their_rows(
    run: Run, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate(workspace: Path, name: str, **_: object) -> None:
        if name == "siamrpn_rgb":
            raise ValueError("siamrpn_rgb did not finish 1 of 2 runs")

    monkeypatch.setattr(toolkit, "evaluate", evaluate)
    out = workspace / "table.csv"
    code, _, err = run("vot", "table", workspace, "--out", out)
    assert code == 1 and "error: siamrpn_rgb did not finish 1 of 2 runs" in err
    rows = {row["tracker"]: row["EAO"] for row in csv.DictReader(out.open())}
    assert rows["siamrpn_rgb (untrained)"] == "" and rows["siamrpn_tir (untrained)"] == "0.11"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", "dfat"], "--weights is 'dfat'; expected NAME=FILE"),
        (["--weights", "dfatt=x"], "no row of the table: 'dfatt', did you mean 'dfat'"),
        (["--weights", "dfat=none.pth"], "no such weights file: none.pth"),
        (["--tracker", "ownn"], "has no tracker 'ownn', did you mean 'own'"),
        (["--out", "table.txt"], "expected a file .csv or .md"),
    ],
)
def test_refused_in_one_line(run: Run, workspace: Path, options: list[str], message: str) -> None:
    code, _, err = run("vot", "table", workspace, *options)
    assert code == 1 and message in err and err.count("\n") == 1


def test_a_row_of_ones_own_needs_no_published_one() -> None:
    table = paper_table({"own": VOTScore(0.1, 0.2, 0.3)}, {})
    assert table.rows[0] == ("own", 0.1, 0.2, 0.3, "", None, None, None)
    assert len(table.rows) == 1 + len(VOT_RGBT2020)
