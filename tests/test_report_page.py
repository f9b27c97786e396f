"""Published rows beside one's own, playback of a sequence, and the order of a report's parts."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Run

from rgbt_track.evaluation.published import published_scores
from rgbt_track.evaluation.report.html import Section, report_page
from rgbt_track.evaluation.rules import BENCHMARKS, find_rules
from rgbt_track.io.tables import Table
from rgbt_track.io.video.reader import VideoReader

GTOT_SEQUENCES = 50
NAMES = {"left<b>": 6, "tree": 4}
SIZE = (50, 40)


def boxes_of(count: int) -> np.ndarray:
    return np.array([10.0, 12, 8, 9]) + np.arange(count)[:, None] * np.array([1, 0, 0, 0])


@pytest.fixture
def gtot(tmp_path: Path) -> Path:
    """GTOT's 50 sequences without images, and the results of a perfect tracker."""
    for index in range(GTOT_SEQUENCES):
        folder = tmp_path / "GTOT" / f"s{index:02d}"
        folder.mkdir(parents=True)
        boxes = boxes_of(3)
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
        for file in ("groundTruth_v.txt", "groundTruth_i.txt"):
            np.savetxt(folder / file, corners, "%g", " ")
        (tmp_path / "perfect").mkdir(exist_ok=True)
        np.savetxt(tmp_path / "perfect" / f"s{index:02d}.txt", boxes, "%g", ",")
    return tmp_path / "GTOT"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sequences of a plain data set; in the last frame of one the target is away."""
    for name, count in NAMES.items():
        folder = tmp_path / "data" / name
        for modality, channels in (("color", 3), ("ir", 1)):
            (folder / modality).mkdir(parents=True)
            for index in range(count):
                image = np.full((SIZE[1], SIZE[0], channels), 30 * index, np.uint8)
                cv2.imwrite(str(folder / modality / f"{index + 1:04d}.png"), image)
        boxes = boxes_of(count)
        if name == "tree":
            boxes[-1] = 0
        np.savetxt(folder / "groundtruth.txt", boxes, "%g", ",")
        for tracker, shift in (("exact", 0), ("off", 4)):
            (tmp_path / "results" / tracker).mkdir(parents=True, exist_ok=True)
            file = tmp_path / "results" / tracker / f"{name}.txt"
            np.savetxt(file, boxes_of(count) + np.array([shift, 0, 0, 0]), "%g", ",")
    return tmp_path / "data"


class Order(HTMLParser):
    """Headings and what follows them, in the order of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.sources: list[str] = []
        self._heading = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._heading = tag == "h2"
        values = dict(attrs)
        if tag in ("img", "table", "video"):
            self.parts.append(f"{tag} {values.get('alt', '')}".strip())
        if tag == "video":
            self.sources.append(values["src"] or "")

    def handle_data(self, data: str) -> None:
        if self._heading:
            self.parts.append(f"# {data}")
            self._heading = False


# --- published rows


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_published_rows_are_percentages_with_a_paper(benchmark: str) -> None:
    rows = published_scores(benchmark)
    assert bool(rows) == (benchmark != "vtuav")
    assert len({row.tracker for row in rows}) == len(rows)
    for row in rows:
        assert "SR" in row.percent and all(20 < value < 100 for value in row.percent.values())
        assert str(row.year) in row.paper
        measures = [row.percent[name] for name in ("SR", "NPR", "PR") if name in row.percent]
        assert measures == sorted(measures)


def test_rows_that_the_reference_states() -> None:
    """DFAT's scores, which its own paper prints, and the whole row of APFNet on LasHeR."""
    rows = {name: {row.tracker: row for row in published_scores(name)} for name in BENCHMARKS}
    assert rows["gtot"]["DFAT"].percent == {"PR": 89.3, "SR": 72.3}
    assert rows["rgbt234"]["DFAT"].percent == {"PR": 75.8, "SR": 55.2}
    assert rows["lasher"]["DFAT"].percent == {"SR": 33.6}
    assert rows["lasher"]["APFNet"].percent == {"PR": 50.0, "NPR": 43.9, "SR": 36.2}


def test_chosen_rows_stand_beside_ones_own(run: Run, gtot: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    choice = ("--published", "DFAT", "--published", "MANet")
    arguments = ("score", "gtot", "--root", gtot, "--results", tmp_path / "perfect")
    code, output, err = run(*arguments, "--out", out, *choice)
    assert code == 0, err
    assert "DFAT" in output and "0.893" in output and "CMPP" not in output
    rows = list(csv.DictReader((out / "published.csv").open()))
    assert [(row["tracker"], row["SR"]) for row in rows] == [
        ("perfect", "0.990"),
        ("MANet", "0.724"),
        ("DFAT", "0.723"),
    ]
    assert rows[0]["source"] == "measured here" and "Information Fusion 2023" in rows[2]["source"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Multi-adapter RGBT tracking" in page
    assert '<tr class="own"><td class="">perfect</td>' in page
    output = run(*arguments, "--published", "all")[1]
    assert all(row.tracker in output for row in published_scores("gtot"))


def test_rgbt234_calls_its_measures_by_their_names(run: Run, gtot: Path, tmp_path: Path) -> None:
    assert find_rules("rgbt234").measures == ("MPR", "MSR")
    for index in range(234):
        (tmp_path / "RGBT234" / f"q{index}").mkdir(parents=True)
        for file in ("visible.txt", "infrared.txt"):
            np.savetxt(tmp_path / "RGBT234" / f"q{index}" / file, boxes_of(2), "%g", ",")
        np.savetxt(tmp_path / "perfect" / f"q{index}.txt", boxes_of(2), "%g", ",")
    arguments = ("--root", tmp_path / "RGBT234", "--results", tmp_path / "perfect")
    code, output, err = run("score", "rgbt234", *arguments, "--published", "TBSI")
    assert code == 0, err
    assert "0.871" in output and "0.637" in output and "0.952" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--published", "DFATT"], "--published: 'DFATT', did you mean 'DFAT'"),
        (["--published", "all", "--rules", "pysot"], "not by those of pysot"),
    ],
)
def test_rows_that_compare_with_nothing(
    run: Run, gtot: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    arguments = ("score", "gtot", "--root", gtot, "--results", tmp_path / "perfect")
    code, _, err = run(*arguments, *options)
    assert code == 1 and message in err and err.count("\n") == 1


def test_a_part_of_a_benchmark_has_no_published_rows(run: Run, gtot: Path, tmp_path: Path) -> None:
    (tmp_path / "perfect" / "s07.txt").unlink()
    arguments = ("score", "gtot", "--root", gtot, "--results", tmp_path / "perfect", "--partial")
    code, _, err = run(*arguments, "--published", "all")
    assert code == 1 and "means over 50 sequences, here are 49" in err


def test_a_set_of_ones_own_has_no_published_rows(run: Run, root: Path, tmp_path: Path) -> None:
    arguments = ("score", "plain", "--root", root, "--results", tmp_path / "results")
    code, _, err = run(*arguments, "--published", "all")
    assert code == 1 and "no published rows of plain" in err


# --- playback


def test_a_sequence_plays_with_the_boxes_of_all_trackers(
    run: Run, root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("score", "plain", "--root", root, "--results", tmp_path / "results")
    code, _, err = run(*arguments, "--out", out, "--playback", "tree", "--playback", "left<b>")
    assert code == 0, err
    page = (out / "report.html").read_text(encoding="utf-8")
    order = Order(page)
    assert order.sources == ["playback/tree.mp4", "playback/left%3Cb%3E.mp4"]
    for name, count in NAMES.items():
        reader = VideoReader(out / "playback" / f"{name}.mp4")
        shapes = [image.shape[:2] for _, image in reader]
        reader.close()
        assert shapes == [(SIZE[1], 2 * SIZE[0])] * count
    texts = re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)
    documents = [json.loads(text) for text in texts]
    tree = documents[0]
    assert tree["panels"] == ["visible", "thermal"] and tree["size"] == list(SIZE)
    assert [len(item["truth"]) for item in documents] == [4, 6]
    assert tree["truth"][0] == [10, 12, 8, 9] and tree["truth"][-1] is None  # away
    exact, off = tree["trackers"]
    assert (exact["name"], off["name"]) == ("exact", "off") and exact["color"] != off["color"]
    assert off["boxes"][1] == [15, 12, 8, 9]
    assert off["overlaps"] == [0.333, 0.333, 0.333, None] and exact["overlaps"][1] == 1
    assert "<b>" not in texts[1]
    assert "https://" not in page and "http://" not in page


def test_evaluate_shows_other_trackers_beside_its_own(run: Run, root: Path, tmp_path: Path) -> None:
    arguments = (
        *("evaluate", "plain", "--root", root, "--tracker", "matching", "--no-plots"),
        *("--results", tmp_path / "mine", "--playback", "tree"),
    )
    code, output, err = run(*arguments, "--beside", tmp_path / "results")
    assert code == 0, err
    assert all(name in output for name in ("matching", "exact", "off"))
    page = (tmp_path / "mine" / "matching" / "report" / "report.html").read_text(encoding="utf-8")
    (text,) = re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)
    names = [tracker["name"] for tracker in json.loads(text)["trackers"]]
    assert sorted(names) == ["exact", "matching", "off"]
    code, _, err = run(*arguments, "--beside", tmp_path / "results", "--label", "off")
    assert code == 1 and "is called off, too" in err


def test_what_cannot_be_played(run: Run, root: Path, gtot: Path, tmp_path: Path) -> None:
    arguments = ("score", "plain", "--root", root, "--results", tmp_path / "results")
    err = run(*arguments, "--playback", "tree")[2]
    assert "give its folder by --out" in err
    err = run(*arguments, "--out", tmp_path / "out", "--playback", "treee")[2]
    assert "no sequence 'treee', did you mean 'tree'" in err
    bare = ("score", "gtot", "--root", gtot, "--results", tmp_path / "perfect")
    err = run(*bare, "--out", tmp_path / "out", "--playback", "s01")[2]
    assert "needs the frames" in err and err.count("\n") == 1


# --- the page


def test_every_plot_stands_after_its_heading(run: Run, root: Path, tmp_path: Path) -> None:
    for name in NAMES:
        (root / name / "attributes.json").write_text('["fast", "small", "smoke"]')
    out = tmp_path / "out"
    arguments = ("score", "plain", "--root", root, "--results", tmp_path / "results")
    assert run(*arguments, "--out", out, "--playback", "tree")[0] == 0
    assert Order((out / "report.html").read_text(encoding="utf-8")).parts == [
        "# Overall",
        "table",
        "# Success and precision",
        "img success",
        "img precision",
        "img normalized_precision",
        "# Playback of tree",
        "video",
        "# AO per attribute",
        "img attributes",
        "table",
        "# AO per sequence",
        "table",
    ]


def test_a_section_says_what_it_shows() -> None:
    table = Table("t", ("tracker", "SR", "source"), (("a", 0.5, "x"), ("b", 0.7, "measured here")))
    page = report_page("T", "about", [Section("<1>", note="a & b", table=table)])
    assert "<h2>&lt;1&gt;</h2>" in page and "a &amp; b" in page
    assert page.count('class="own"') == 1 and '<td class="best">0.7000</td>' in page
