"""Workspaces: what is written, what the real toolkit makes of it, and what is refused."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from rgbt_track.data.annotations import Annotation
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.images import write_image
from rgbt_track.resources import folder
from rgbt_track.vot.ground_truth import ground_truth
from rgbt_track.vot.registry import shipped_sections, tracker_section, write_registry
from rgbt_track.vot.stacks import eao_interval, stock_stack
from rgbt_track.vot.workspace import build_workspace, safe_names

SIZE = (40, 30)  # width, height


@pytest.fixture
def make_sequence(tmp_path):
    """A factory of small sequences; file names neither begin at 1 nor follow each other."""

    def make(name="one", length=30, rgb_suffix=".jpg", tir_suffix=".png", **fields):
        random = np.random.default_rng(0)
        files = {}
        for channel, suffix, shape in (
            ("visible", rgb_suffix, (SIZE[1], SIZE[0], 3)),
            ("thermal", tir_suffix, (SIZE[1], SIZE[0])),
        ):
            suffixes = [suffix] * length if isinstance(suffix, str) else suffix
            place = tmp_path / "data" / name / channel
            place.mkdir(parents=True)
            files[channel] = tuple(place / f"img{3 * i + 7}{suffixes[i]}" for i in range(length))
            for file in files[channel]:
                write_image(file, random.integers(0, 256, shape, np.uint8))
        boxes = np.tile([5.0, 6.25, 10.0, 8.0], (length, 1)) + np.arange(length)[:, None] * 0.1
        labels = {"boxes": boxes, "absent": np.zeros(length, bool)}
        labels.update((key, fields.pop(key)) for key in labels.keys() & fields.keys())
        values = {"rgb": files["visible"], "tir": files["thermal"], **fields}
        return Sequence(name, annotation=Annotation(**labels), **values)

    return make


def load(workspace):
    return pytest.importorskip("vot.workspace").Workspace.load(str(workspace))


def test_the_toolkit_reads_what_was_written(make_sequence, tmp_path):
    sequences = [make_sequence("one", 30), make_sequence("two", 101)]
    built = build_workspace(sequences, tmp_path / "ws")
    assert (built.sequences, built.frames, built.runs) == (2, 131, 5)
    assert str(built) == (
        "2 sequences, 131 frames, 5 runs from anchors; stack auto, EAO over 5..30 frames"
    )
    workspace = load(tmp_path / "ws")
    assert [sequence.name for sequence in workspace.dataset] == ["one", "two"]
    for ours, theirs in zip(sequences, workspace.dataset, strict=True):
        assert len(theirs) == len(ours)
        assert theirs.size == SIZE
        assert set(theirs.channels()) == {"color", "ir"}
        assert theirs.metadata("fps") == 30
        for index in (0, len(ours) - 1):
            box = theirs.groundtruth(index)
            assert np.allclose([box.x, box.y, box.width, box.height], ours.boxes[index])
            for channel, files in (("color", ours.rgb), ("ir", ours.tir)):
                named = Path(theirs.frame(index).filename(channel))
                assert named.read_bytes() == files[index].read_bytes()
    from vot.experiment.multistart import find_anchors

    assert find_anchors(workspace.dataset["two"]) == ([0, 50], [100])
    (experiment,) = workspace.stack
    assert experiment.realtime is None
    assert {analysis.high for analysis in experiment.analyses if hasattr(analysis, "high")} == {30}


@pytest.mark.parametrize("name", ["vot2020/rgbtir", "vot2020", "vot2019/rgbtir"])
def test_stock_stacks_load_without_a_download(make_sequence, tmp_path, name):
    build_workspace([make_sequence()], tmp_path / "ws", stack=name)
    workspace = load(tmp_path / "ws")
    assert workspace.stack.name == (name if "/" in name else f"{name}/rgbtir")
    (experiment,) = workspace.stack
    assert experiment.realtime.grace == 3
    assert (experiment.analyses[1].low, experiment.analyses[1].high) == (115, 755)


def test_frames_are_linked_or_copied(make_sequence, tmp_path):
    sequence = make_sequence()
    build_workspace([sequence], tmp_path / "linked")
    build_workspace([sequence], tmp_path / "copied", copy=True)
    linked = tmp_path / "linked" / "sequences" / "one" / "color" / "00000001.jpg"
    copied = tmp_path / "copied" / "sequences" / "one" / "color" / "00000001.jpg"
    assert os.path.samefile(linked, sequence.rgb[0])
    assert not copied.is_symlink() and not os.path.samefile(copied, sequence.rgb[0])


def test_images_are_copied_where_nothing_can_be_linked(make_sequence, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    monkeypatch.setattr(os, "link", refuse)
    sequence = make_sequence()
    build_workspace([sequence], tmp_path / "ws")
    placed = tmp_path / "ws" / "sequences" / "one" / "ir" / "00000030.png"
    assert placed.read_bytes() == sequence.tir[29].read_bytes()
    assert not placed.is_symlink()


def test_mixed_and_foreign_suffixes_become_png_without_loss(make_sequence, tmp_path):
    sequence = make_sequence(length=30, rgb_suffix=[".jpg", ".bmp"] * 15, tir_suffix=".tif")
    deep = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE[1], SIZE[0]) * 50
    cv2.imwrite(str(sequence.tir[0]), deep)
    build_workspace([sequence], tmp_path / "ws")
    place = tmp_path / "ws" / "sequences" / "one"
    assert "channels.color=color/%08d.png" in (place / "sequence").read_text()
    for number in (1, 2):
        written = cv2.imread(str(place / "color" / f"{number:08d}.png"))
        assert np.array_equal(written, cv2.imread(str(sequence.rgb[number - 1])))
    assert np.array_equal(cv2.imread(str(place / "ir" / "00000001.png"), -1), deep)
    assert len(load(tmp_path / "ws").dataset["one"]) == 30


def test_jpeg_by_another_suffix_is_linked(make_sequence, tmp_path):
    sequence = make_sequence(rgb_suffix=[".JPG", ".jpeg"] * 15)
    build_workspace([sequence], tmp_path / "ws")
    placed = tmp_path / "ws" / "sequences" / "one" / "color" / "00000002.jpg"
    assert os.path.samefile(placed, sequence.rgb[1])


def test_unlabelled_and_absent_frames_are_nan_and_no_anchor(make_sequence, tmp_path):
    sequence = make_sequence(length=60)
    sequence.boxes[0] = np.nan
    sequence.boxes[20] = 0
    sequence.absent[59] = True
    sequence.boxes[58] = [-30, 5, 10, 10]  # outside the image: no tracker can start there
    build_workspace([sequence], tmp_path / "ws")
    loaded = load(tmp_path / "ws").dataset["one"]
    empty = [index for index in range(60) if loaded.groundtruth(index).is_empty()]
    assert empty == [0, 20, 59]
    from vot.experiment.multistart import find_anchors

    assert find_anchors(loaded) == ([1], [57])


def test_sparse_labels_are_refused_or_filled_between(make_sequence, tmp_path):
    sequence = make_sequence(length=61)
    whole = sequence.boxes.copy()
    sequence.boxes[np.arange(61) % 10 != 0] = np.nan
    sequence.absent[35] = True
    with pytest.raises(ValueError, match=r"one: 53 of 61 frames have no label.* --interpolate 9"):
        build_workspace([sequence], tmp_path / "refused")
    build_workspace([sequence], tmp_path / "ws", interpolate=9)
    written = np.loadtxt(tmp_path / "ws" / "sequences" / "one" / "groundtruth.txt", delimiter=",")
    gap = np.zeros(61, bool)
    gap[31:40] = True  # the target is away somewhere in there: nothing is known of the rest
    assert np.allclose(written[~gap], whole[~gap], atol=1e-3)
    assert np.isnan(written[gap]).all()


def test_gaps_longer_than_asked_stay(make_sequence):
    sequence = make_sequence(length=12)
    sequence.boxes[2:4] = sequence.boxes[6:9] = sequence.boxes[11] = np.nan
    filled = ground_truth(sequence, 2)
    assert np.flatnonzero(np.isnan(filled).any(1)).tolist() == [6, 7, 8, 11]


def test_thermal_images_of_another_size_pass_and_of_another_shape_do_not(make_sequence, tmp_path):
    def with_thermal(name, size):
        sequence = make_sequence(name)
        for file in sequence.tir:
            write_image(file, np.zeros(size, np.uint8))
        return sequence

    build_workspace([with_thermal("half", (15, 20))], tmp_path / "ws")
    assert load(tmp_path / "ws").dataset["half"].size == SIZE
    with pytest.raises(ValueError, match="other: thermal frame of 20x25 pixels does not fit"):
        build_workspace([with_thermal("other", (25, 20))], tmp_path / "ws2")


def test_building_again_keeps_what_is_there_and_adds_what_is_new(make_sequence, tmp_path):
    one, two = make_sequence("one"), make_sequence("two")
    build_workspace([one], tmp_path / "ws")
    result = tmp_path / "ws" / "results" / "kept.txt"
    result.write_text("kept")
    before = (tmp_path / "ws" / "sequences" / "one").stat().st_mtime_ns
    build_workspace([one, two], tmp_path / "ws", stack="vot2020/rgbtir")
    assert (tmp_path / "ws" / "sequences" / "one").stat().st_mtime_ns == before
    assert result.read_text() == "kept"
    assert (tmp_path / "ws" / "sequences" / "list.txt").read_text() == "one\ntwo\n"
    assert "stack: vot2020/rgbtir" in (tmp_path / "ws" / "config.yaml").read_text()


def test_an_interrupted_build_goes_on(make_sequence, tmp_path):
    one, two = make_sequence("one"), make_sequence("two")
    two.tir[20].rename(two.tir[20].with_name("away.png"))
    with pytest.raises(FileNotFoundError, match=r"no such image: .*img67.png"):
        build_workspace([one, two], tmp_path / "ws")
    assert not (tmp_path / "ws" / "config.yaml").exists()
    assert not (tmp_path / "ws" / "sequences" / "two").exists()
    two.tir[20].with_name("away.png").rename(two.tir[20])
    build_workspace([one, two], tmp_path / "ws")
    assert [len(sequence) for sequence in load(tmp_path / "ws").dataset] == [30, 30]
    assert not list((tmp_path / "ws" / "sequences").glob(".*"))


def test_other_data_under_a_name_that_is_there_is_refused(make_sequence, tmp_path):
    sequence = make_sequence()
    build_workspace([sequence], tmp_path / "ws")
    sequence.boxes[3] += 1
    with pytest.raises(ValueError, match=r"one was made from other data .*groundtruth.txt differs"):
        build_workspace([sequence], tmp_path / "ws")


def test_a_sequence_of_one_modality_is_refused(make_sequence, tmp_path):
    with pytest.raises(ValueError, match="one: VOT RGB-T needs visible and thermal frames"):
        build_workspace([make_sequence(tir=None)], tmp_path / "ws")


def test_a_sequence_without_boxes_is_refused(make_sequence, tmp_path):
    sequence = make_sequence(boxes=np.full((30, 4), np.nan))
    with pytest.raises(ValueError, match="one: 0 of 30 frames have a box; at least 2 must"):
        build_workspace([sequence], tmp_path / "ws")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stack": "vot2021"}, "unknown stack 'vot2021'; valid: auto, vot2020/rgbtir"),
        ({"fps": 0}, "fps is 0"),
        ({"out": "100%"}, "cannot work in a path with accents or any of"),
        ({"out": "a[b]"}, "cannot work in a path"),
        ({"out": "café"}, "cannot work in a path"),
        ({"out": "data"}, "data holds something that rgbt-track did not make"),
        ({"out": "file"}, "file is a file"),
    ],
)
def test_unfit_settings_are_refused(make_sequence, tmp_path, arguments, message):
    (tmp_path / "file").write_text("")
    sequence = make_sequence()
    out = tmp_path / arguments.pop("out", "ws")
    with pytest.raises(ValueError, match=message):
        build_workspace([sequence], out, **arguments)
    assert not (tmp_path / "ws").exists()


def test_a_workspace_of_another_origin_is_left_alone(make_sequence, tmp_path):
    theirs = tmp_path / "ws" / "sequences" / "car"
    theirs.mkdir(parents=True)
    (tmp_path / "ws" / "sequences" / "list.txt").write_text("car\n")
    (tmp_path / "ws" / "config.yaml").write_text("stack: vot2020/rgbtir\n")
    with pytest.raises(ValueError, match="holds something that rgbt-track did not make"):
        build_workspace([make_sequence()], tmp_path / "ws")
    assert (tmp_path / "ws" / "sequences" / "list.txt").read_text() == "car\n"


def test_an_empty_workspace_of_the_toolkit_is_filled(make_sequence, tmp_path):
    vot = pytest.importorskip("vot.workspace")
    vot.Workspace.initialize(str(tmp_path / "ws"), {"stack": "vot2020/rgbtir"}, download=False)
    build_workspace([make_sequence()], tmp_path / "ws", stack="vot2020")
    assert len(load(tmp_path / "ws").dataset) == 1


def test_no_sequences_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no sequences"):
        build_workspace([], tmp_path / "ws")


def test_names_are_made_safe_and_stay_apart():
    assert safe_names(["a b", ".hidden", "ok-1.x", "100%"]) == ["a_b", "_hidden", "ok-1.x", "100_"]
    with pytest.raises(ValueError, match="two sequences would be called 'a_b': 'a b' and 'a_b'"):
        safe_names(["a b", "a_b"])
    with pytest.raises(ValueError, match="two sequences would be called 'car': 'Car' and 'car'"):
        safe_names(["Car", "car"])


@pytest.mark.parametrize(
    ("lengths", "interval"),
    [
        ([60], (9, 60)),
        ([500, 17], (3, 17)),
        ([5], (1, 5)),
        ([755], (115, 755)),
        ([9999], (115, 755)),
    ],
)
def test_eao_interval(lengths, interval):
    assert eao_interval(lengths) == interval


def test_stock_stack_names():
    assert stock_stack("auto") is None
    assert stock_stack("vot2019") == "vot2019/rgbtir"


def test_shipped_trackers_start_as_the_shipped_file_says():
    parser = configparser.ConfigParser()
    parser.read(folder("experiments") / "trackers.ini")
    sections = shipped_sections()
    assert set(sections) == set(parser.sections())
    for name, section in sections.items():
        lower = {key.lower(): value for key, value in section.items()}
        for key in set(parser[name]) - {"label"}:
            assert lower[key] == parser[name][key]


def test_the_toolkit_reads_the_registry(make_sequence, tmp_path):
    name, section = tracker_section("matching", device="cpu")
    build_workspace([make_sequence()], tmp_path / "ws", trackers={name: section})
    registry = load(tmp_path / "ws").registry
    assert set(registry.identifiers()) == set(shipped_sections())
    assert registry["matching"].describe()["env"] == {
        "RGBT_TRACKER": "matching",
        "RGBT_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }


def test_an_untrained_network_is_called_so(tmp_path):
    config = tmp_path / "my net.yaml"
    config.write_text("model: {backbone: lite}\n")
    name, section = tracker_section(config)
    assert (name, section["label"]) == ("my_net", "my_net (untrained)")
    assert section["env_RGBT_TRACKER"] == str(config)
    weights = tmp_path / "100%.safetensors"
    weights.write_bytes(b"")
    _, section = tracker_section(config, weights)
    assert section["label"] == "my_net"
    assert section["env_RGBT_WEIGHTS"].endswith("100%%.safetensors")
    assert tracker_section("matching")[1]["label"] == "matching"


def test_unknown_tracker_and_missing_weights_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="unknown name 'nothing'"):
        tracker_section("nothing")
    with pytest.raises(FileNotFoundError, match="no such weights file"):
        tracker_section("matching", tmp_path / "w.safetensors")


def test_a_users_own_sections_stay(tmp_path):
    file = tmp_path / "trackers.ini"
    file.write_text("[mine]\ncommand = my.module\nenv_RATE = 50%%\n[ours]\nlabel = edited\n")
    write_registry(file, {"ours": {"label": "ours"}, "new": {"label": "new"}})
    parser = configparser.ConfigParser()
    parser.read(file)
    assert parser["mine"]["env_rate"] == "50%"
    assert parser["ours"]["label"] == "edited"
    assert parser["new"]["label"] == "new"
    write_registry(file, {"ours": {"label": "ours"}}, replace=["ours"])
    assert "label = ours" in file.read_text()


def test_a_broken_registry_is_refused(tmp_path):
    (tmp_path / "trackers.ini").write_text("label = outside of any section\n")
    with pytest.raises(ValueError, match=r"trackers.ini: not a tracker list"):
        write_registry(tmp_path / "trackers.ini", {})
