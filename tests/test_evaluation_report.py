"""The commands end to end on a tiny data set: tables, plots, the HTML page, and bad input."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from rgbt_track.commands import evaluate, failures, robustness, score
from rgbt_track.evaluation.scoring import score_results
from rgbt_track.io.tables import Table, to_csv, to_markdown
from rgbt_track.vot.published import VOT_RGBT2020, published_vot_rgbt2020

NAMES = {"left<b>": 6, "leftgirl'swhitebag": 5, "tree": 4}
ATTRIBUTES = {"left<b>": ["fast", "small", "smoke"], "tree": ["small"]}


class StayingTracker:
    """Keeps the first box."""

    def init(self, rgb, tir, box):
        self.box = np.asarray(box, float)
        return self

    def update(self, rgb, tir, state):
        return state


def staying(device):
    return StayingTracker()


def app():
    application = typer.Typer(pretty_exceptions_enable=False)
    application.command("evaluate")(evaluate.evaluate)
    application.command("score")(score.score)
    application.command("robustness")(robustness.robustness)
    application.command("failures")(failures.failures)
    return application


def run(*arguments, code=0):
    result = CliRunner().invoke(app(), [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def refused(match, *arguments):
    result = run(*arguments, code=1)
    assert isinstance(result.exception, (ValueError, OSError)), result.exception
    assert re.search(match, str(result.exception)), str(result.exception)


def boxes_of(count):
    return np.array([10.0, 12, 8, 9]) + np.arange(count)[:, None] * np.array([1, 0, 0, 0])


@pytest.fixture
def root(tmp_path):
    """A data set in the plain layout: a box that moves right by a pixel per frame."""
    for name, count in NAMES.items():
        folder = tmp_path / "data" / name
        for modality in ("color", "ir"):
            (folder / modality).mkdir(parents=True)
            for index in range(count):
                image = np.full((40, 50, 3), 10 * index, np.uint8)
                cv2.imwrite(str(folder / modality / f"{index + 1:04d}.png"), image)
        np.savetxt(folder / "groundtruth.txt", boxes_of(count), "%g", ",")
        (folder / "attributes.json").write_text(json.dumps(ATTRIBUTES.get(name, [])))
    return tmp_path / "data"


@pytest.fixture
def results(tmp_path):
    """Two trackers: one perfect, as corners; one a pixel off, with a prefix and times."""
    for name, count in NAMES.items():
        boxes = boxes_of(count)
        x, y, w, h = boxes.T
        corners = np.stack([x, y, x + w, y, x + w, y + h, x, y + h], 1)
        (tmp_path / "results" / "perfect").mkdir(parents=True, exist_ok=True)
        (tmp_path / "results" / "near").mkdir(parents=True, exist_ok=True)
        np.savetxt(tmp_path / "results" / "perfect" / f"{name}.txt", corners, "%.18e", "\t")
        near = tmp_path / "results" / "near"
        np.savetxt(near / f"Near_{name}.txt", boxes + np.array([1, 0, 0, 0]), "%g", " ")
        np.savetxt(near / f"Near_{name}_time.txt", np.full(count, 0.02))
    return tmp_path / "results"


@pytest.fixture
def absent(root):
    """In the last two frames of two sequences the target is away."""
    for name in ("left<b>", "tree"):
        boxes = boxes_of(NAMES[name])
        boxes[-2:] = 0
        np.savetxt(root / name / "groundtruth.txt", boxes, "%g", ",")
    return root


@pytest.fixture
def scored(results):
    """Of two trackers one notices that the target has left, by its score."""
    for name, count in NAMES.items():
        aware = np.full(count, 0.9)
        aware[-2:] = 0.2
        np.savetxt(results / "perfect" / f"{name}_score.txt", aware)
        np.savetxt(results / "near" / f"Near_{name}_score.txt", np.full(count, 0.9))
    return results


class Page(HTMLParser):
    """Collects what a page loads and shows."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.words, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for key, value in attributes if key in ("src", "href")]

    def handle_data(self, data):
        self.words.append(data)


# --- score


def test_score_prints_a_table_best_first(root, results):
    text = run("score", "plain", "--root", root, "--results", results, "--no-plots").stdout
    assert "generic rules, 3 sequences, 12 scored frames" in text
    assert text.index("perfect") < text.index("near")
    assert "1.0000" in text
    assert "50.0" in text


def test_scores_of_a_tracker_are_compared_with_what_is_right(root, scored, tmp_path):
    out = tmp_path / "report"
    run("score", "plain", "--root", root, "--results", scored, "--out", out)
    document = json.loads((out / "scores.json").read_text())["trackers"]
    near = document["near"]["calibration"]["reliability"]
    assert near["calibration_error"] == pytest.approx(0.1)  # all 12 correct, at a score of 0.9
    assert sum(near["frames"]) == near["frames"][8] == 12
    assert near["correct"] == [None] * 8 + [1.0, None]
    assert document["near"]["calibration"]["long_term"] is None
    text = "".join(Page((out / "report.html").read_text(encoding="utf-8")).words)
    assert "Score calibration" in text and "absent" not in text
    assert "ECE" in (out / "scores.md").read_text()
    assert ElementTree.parse(out / "reliability.svg").getroot().tag.endswith("svg")
    assert not (out / "long_term.svg").exists()


def test_frames_without_the_target_test_the_score(absent, scored, tmp_path):
    out = tmp_path / "report"
    run("score", "plain", "--root", absent, "--results", scored, "--out", out)
    document = json.loads((out / "scores.json").read_text())["trackers"]
    perfect, near = (document[name]["calibration"]["long_term"] for name in ("perfect", "near"))
    assert perfect["absent frames"] == near["absent frames"] == 4
    assert (perfect["absent accuracy"], near["absent accuracy"]) == (1, 0)
    # leftgirl'swhitebag has 4 frames with the target, of which two score low.
    assert perfect["precision"] == 1 and perfect["recall"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    overlap = 7 / 9
    precision = overlap * (3 / 5 + 1 + 1 / 3) / 3
    assert near["precision"] == pytest.approx(precision)
    assert near["recall"] == pytest.approx(overlap)
    assert near["F"] == pytest.approx(2 * precision * overlap / (precision + overlap))
    with (out / "calibration.csv").open(encoding="utf-8") as file:
        rows = {row["tracker"]: row for row in csv.DictReader(file)}
    assert float(rows["near"]["F"]) == near["F"] and rows["near"]["absent frames"] == "4"
    assert ElementTree.parse(out / "long_term.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("content", ["0.5\n", "high\n" * 6, "nan\n" * 6])
def test_scores_in_another_form_are_left_alone(root, results, tmp_path, content):
    (results / "near" / "Near_left<b>_score.txt").write_text(content)
    arguments = ("--root", root, "--results", results, "--no-plots", "--format", "json")
    done = run("score", "plain", *arguments)
    assert "scores not looked at" in done.stderr
    assert json.loads(done.stdout)["trackers"]["near"]["calibration"] is None


def test_score_writes_every_format(root, results, tmp_path):
    out = tmp_path / "report"
    run("score", "plain", "--root", root, "--results", results, "--out", out)
    document = json.loads((out / "scores.json").read_text())
    overall = {name: tracker["overall"] for name, tracker in document["trackers"].items()}
    expected = score_results(
        "rgbt210",
        {n: boxes_of(c)[1:] + np.array([1, 0, 0, 0]) for n, c in NAMES.items()},
        {n: boxes_of(c)[1:] for n, c in NAMES.items()},
        rules="generic",
    )
    assert overall["near"] == pytest.approx(expected)
    assert overall["perfect"]["AO"] == 1
    limits, curves = document["thresholds"], document["trackers"]["near"]["curves"]
    pairs = {"overlap": "success", "distance": "precision"}
    for limit, curve in {**pairs, "normalized_distance": "normalized_precision"}.items():
        assert len(limits[limit]) == len(curves[curve])
    assert limits["normalized_distance"][20] == 0.2
    rows = list(csv.DictReader((out / "scores.csv").open()))
    assert [row["tracker"] for row in rows] == ["perfect", "near"]
    assert float(rows[1]["AO"]) == overall["near"]["AO"]
    assert "| near | " in (out / "scores.md").read_text()
    sequences = list(csv.DictReader((out / "sequences.csv").open()))
    assert {row["sequence"]: row["frames"] for row in sequences} == {
        name: str(count) for name, count in NAMES.items()
    }
    attributes = list(csv.DictReader((out / "attributes.csv").open()))
    assert {row["attribute"]: row["sequences"] for row in attributes} == {
        "fast": "1",
        "small": "2",
        "smoke": "1",
    }
    for name in ("success", "precision", "normalized_precision", "attributes"):
        assert ElementTree.parse(out / f"{name}.svg").getroot().tag.endswith("svg")


def test_the_page_needs_nothing_else(root, results, tmp_path):
    out = tmp_path / "report"
    run("score", "plain", "--root", root, "--results", results, "--out", out)
    text = (out / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.sources) == 4
    assert all(source.startswith("data:image/") for source in page.sources)
    assert "link" not in page.tags
    assert "@import" not in text
    assert "left<b>" in page.words  # escaped in the text, so that it is shown and not obeyed
    assert "b" not in page.tags


def test_a_report_is_the_same_twice(root, results, tmp_path):
    texts = []
    for number in (1, 2):
        out = tmp_path / str(number)
        run("score", "plain", "--root", root, "--results", results, "--out", out)
        texts.append((out / "report.html").read_text())
    assert texts[0] == texts[1]


def test_score_prints_for_programs(root, results):
    arguments = ["score", "plain", "--root", root, "--results", results / "near", "--format"]
    document = json.loads(run(*arguments, "json").stdout)
    assert document["trackers"]["near"]["fps"] == pytest.approx(50)
    assert run(*arguments, "csv").stdout.startswith("tracker,AO,SR50,SR,PR,NPR,fps\nnear,")
    assert run(*arguments, "markdown").stdout.count("|") > 10
    refused("valid: table, markdown", *arguments, "xml")


def test_score_without_images_and_by_other_rules(root, results, tmp_path):
    bare = tmp_path / "bare" / "RGBT234"
    for name, count in NAMES.items():
        (bare / name).mkdir(parents=True)
        for file in ("visible.txt", "infrared.txt"):
            np.savetxt(bare / name / file, boxes_of(count), "%g", ",")
    arguments = [
        "score",
        "rgbt234",
        "--root",
        bare.parent,
        "--results",
        results,
        "--format",
        "json",
    ]
    document = json.loads(run(*arguments).stdout)
    assert document["rules"] == "official"
    assert document["trackers"]["perfect"]["overall"] == {"MPR": 1, "MSR": pytest.approx(20 / 21)}
    assert "3 of 234 sequences" in run(*arguments[:-2]).stdout  # a part of a copy is no table
    document = json.loads(run(*arguments, "--rules", "pysot").stdout)
    assert set(document["trackers"]["perfect"]["overall"]) == {"PR", "NPR", "SR"}
    refused("no images of vtuav", "score", "vtuav", "--root", bare, "--results", results)


def test_gtot_is_read_from_its_corners(results, tmp_path):
    bare = tmp_path / "GTOT"
    for name, count in NAMES.items():
        (bare / name).mkdir(parents=True)
        boxes = boxes_of(count)
        xyxy = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
        for file in ("groundTruth_v.txt", "groundTruth_i.txt"):
            np.savetxt(bare / name / file, xyxy, "%g", " ")
    result = run("score", "gtot", "--root", bare, "--results", results, "--format", "json")
    overall = json.loads(result.stdout)["trackers"]["perfect"]["overall"]
    assert overall == pytest.approx({"PR": 1, "SR": 0.99})


# --- bad input, each in one line with file and row


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"near/Near_tree\.txt: no rows"),
        ("1,2,3,4\n1,2,x,4\n", r"near/Near_tree\.txt: row 2.*not numbers"),
        ("1,2,3\n", r"near/Near_tree\.txt: row 1 has 3 columns"),
        ("1,2,3,4\n", r"near/Near_tree\.txt: the result has 1 rows, the ground truth 4.*incompl"),
        ("1,2,3,4\n" * 9, r"near/Near_tree\.txt: the result has 9 rows, the ground truth 4"),
    ],
)
def test_bad_result_files(root, results, text, match):
    (results / "near" / "Near_tree.txt").write_text(text)
    refused(match, "score", "plain", "--root", root, "--results", results)


def test_nan_by_rules_that_do_not_settle_it(root, results):
    (results / "near" / "Near_tree.txt").write_text("1,2,3,4\n1,2,3,4\nnan,2,3,4\n1,2,3,4\n")
    arguments = ("score", "plain", "--root", root, "--results", results)
    refused(r"near/Near_tree\.txt: row 3", *arguments, "--rules", "pytracking")
    result = run(*arguments)
    assert re.search(r"note: near: .*Near_tree\.txt: 1 rows without a valid box", result.stderr)


def test_missing_sequences(root, results):
    (results / "near" / "Near_tree.txt").unlink()
    arguments = ("score", "plain", "--root", root, "--results", results)
    refused(r"results/near: no result for 1 of 3 sequences: tree;.*--partial", *arguments)
    assert "2 of 3 sequences" in run(*arguments, "--partial").stdout


def test_ground_truth_shorter_than_the_video(root, results):
    (root / "tree" / "groundtruth.txt").write_text("1,2,3,4\n")
    refused(
        r"tree/groundtruth\.txt: 1 rows for 4 frames",
        *("score", "plain", "--root", root, "--results", results),
    )


def test_unknown_things(root, results, tmp_path):
    refused("did you mean 'plain'", "score", "plian", "--root", root, "--results", results)
    refused("no such folder", "score", "plain", "--root", root, "--results", tmp_path / "none")
    refused("no such folder", "score", "plain", "--root", tmp_path / "none", "--results", results)
    (tmp_path / "taken").write_text("")
    refused(
        "--out .*taken is a file; give a folder",
        *("score", "plain", "--root", root, "--results", results, "--out", tmp_path / "taken"),
    )
    refused(
        "two trackers are called near",
        *("score", "plain", "--root", root, "--results", results, "--results", results / "near"),
    )


# --- evaluate, robustness, failures


def test_evaluate_runs_scores_and_resumes(root, tmp_path):
    arguments = ("evaluate", "plain", "--root", root, "--tracker", f"{__name__}:staying")
    arguments += ("--results", tmp_path / "out")
    text = run(*arguments).stdout
    assert "staying" in text
    folder = tmp_path / "out" / "staying"
    for name, count in NAMES.items():
        assert len((folder / f"{name}.txt").read_text().splitlines()) == count
    page = Page((folder / "report" / "report.html").read_text())
    assert sum(source.startswith("data:image/jpeg") for source in page.sources) == 3
    assert "3 of 3 sequences are done already" in run(*arguments).stdout
    (folder / "tree.txt").unlink()
    assert "2 of 3 sequences are done already" in run(*arguments).stdout
    assert "done already" not in run(*arguments, "--force").stdout


def test_evaluate_keeps_two_trackers_apart(root, tmp_path):
    arguments = ["evaluate", "plain", "--root", root, "--results", tmp_path, "--label", "mine"]
    run(*arguments, "--tracker", f"{__name__}:staying", "--no-plots")
    refused("other settings or weights", *arguments, "--tracker", f"{__name__}:StayingTracker")


def test_evaluate_of_one_sequence(root, tmp_path):
    arguments = ("evaluate", "plain", "--root", root, "--tracker", f"{__name__}:staying")
    arguments += ("--results", tmp_path, "--no-plots", "--sequence")
    assert "1 sequence, 3 scored frames" in run(*arguments, "tree").stdout
    refused("no sequence 'trees', did you mean 'tree'", *arguments, "trees")


def test_robustness_draws_a_curve(root, tmp_path):
    arguments = ("robustness", "plain", "--root", root, "--tracker", f"{__name__}:staying")
    arguments += ("--results", tmp_path, "--severity", "0.5")
    assert "AO over share of frames without thermal" in run(*arguments, "--kind", "no_tir").stdout
    curves = json.loads((tmp_path / "report" / "robustness.json").read_text())["curves"]
    assert set(curves["no_tir"]["staying"]) == {"0.0", "0.5"}
    assert (tmp_path / "report" / "no_tir.svg").is_file()
    refused("give one --kind with it", *arguments)


def test_failures_makes_a_picture(root, results, tmp_path):
    out = tmp_path / "deep" / "sheet.png"
    arguments = ["failures", "plain", "--root", root, "--out", out, "--results"]
    text = run(*arguments, results / "near", "--sequences", 2, "--frames", 3).stdout
    assert "AO 0.7" in text
    assert cv2.imread(str(out)).shape == (2 * 444, 600, 3)
    arguments[5] = tmp_path / "sheet.txt"
    refused(r"sheet\.txt: not an image's name; valid: .*\.png", *arguments, results / "near")
    arguments[5] = out
    refused("holds 2 trackers: near, perfect; give one", *arguments, results)


def test_robustness_by_force_runs_again(root, tmp_path):
    arguments = ["robustness", "plain", "--root", root, "--tracker", f"{__name__}:staying"]
    arguments += ["--results", tmp_path, "--kind", "offset", "--severity", "4", "--no-plots"]
    run(*arguments)
    assert "6 of 6 sequences are done already" in run(*arguments).stdout
    assert "done already" not in run(*arguments, "--force").stdout
    refused("other settings", *arguments, "--seed", 1)


def test_robustness_knows_all_its_trackers_before_the_first_run(root, tmp_path):
    arguments = ["robustness", "plain", "--root", root, "--tracker", f"{__name__}:staying"]
    arguments += ["--tracker", "nobody", "--results", tmp_path / "out", "--kind", "offset"]
    refused("unknown name 'nobody'", *arguments)
    assert not list((tmp_path / "out").rglob("*.txt"))


# --- what needs what


def test_plots_without_matplotlib_name_the_remedy(root, results, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    arguments = ("score", "plain", "--root", root, "--results", results, "--out", tmp_path / "r")
    result = run(*arguments, code=1)
    assert isinstance(result.exception, ModuleNotFoundError)
    assert "pip install 'rgbt-track[plots]'" in str(result.exception)
    run(*arguments, "--no-plots")
    assert "data:image" not in (tmp_path / "r" / "report.html").read_text()


def test_scoring_imports_neither_torch_nor_matplotlib():
    code = (
        "import sys, rgbt_track.evaluation, rgbt_track.evaluation.report.write, "
        "rgbt_track.evaluation.runner; "
        "print([name for name in ('torch', 'matplotlib', 'vot') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.data
def test_the_whole_path_on_real_footage(tmp_path):
    material = os.environ.get("RGBT_TRACK_DATA")
    if not material:
        pytest.skip("RGBT_TRACK_DATA does not name the folder of real material")
    footage = Path(material) / "rgbt"
    arguments = ["evaluate", "plain", "--root", footage, "--tracker", "matching"]
    arguments += ["--results", tmp_path, "--sequence", "tno_duine", "--sequence", "tno_tree"]
    run(*arguments)
    report = tmp_path / "matching" / "report"
    scores = json.loads((report / "scores.json").read_text())["trackers"]["matching"]
    assert scores["frames"] == 22 + 17 - 2
    assert scores["overall"]["AO"] > 0.3
    assert (report / "report.html").read_text().count("data:image/jpeg") == 2


# --- tables


def test_markdown_and_csv_survive_odd_names():
    table = Table("t", ("tracker", "PR", "fps"), (("a|b", 0.5, None), ('c,"d"', 1.0, 12.34)))
    assert "| a\\|b | 0.5000 |  |" in to_markdown(table)
    assert "12.3" in to_markdown(table)
    rows = list(csv.reader(to_csv(table).splitlines()))
    assert rows[1:] == [["a|b", "0.5", ""], ['c,"d"', "1.0", "12.34"]]


def test_own_vot_scores_stand_among_the_published():
    table = published_vot_rgbt2020({"mine": (0.41, 0.7, 0.8)})
    assert [row[0] for row in table.rows[:3]] == ["DFAT+LRRNet", "mine", "DFAT"]
    assert ("DFAT+LRRNet", "published", 0.4143, 0.6780, 0.7929) in table.rows
    assert len(published_vot_rgbt2020().rows) == len(VOT_RGBT2020) == 7


def test_a_name_is_no_formula_in_a_plot() -> None:
    """A folder of results may be called anything; half a formula stops matplotlib."""
    from rgbt_track.evaluation.report.figures import new_axes, to_svg

    figure, axes = new_axes(r"$\frac{$", "x", "y")
    axes.plot([0, 1], [0, 1], label=r"$\frac{$")
    axes.legend()
    assert "</svg>" in to_svg(figure, "names")
