"""Teachers: ONNX files behind one interface, their answers on a student's grid, and the losses."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from stub_teacher import StubTeacher, write_onnx_teacher
from training_material import tiny_experiment, write_set

from rgbt_track.boxes import iou_xywh
from rgbt_track.config.pairs import TeacherConfig
from rgbt_track.config.tracker import AnchorConfig, TrackingConfig
from rgbt_track.config.training import LossConfig
from rgbt_track.models.anchors import anchor_boxes, decode_centers, decode_sizes
from rgbt_track.models.distillation import distillation_sums
from rgbt_track.models.engines.teacher_engine import TeacherEngine
from rgbt_track.models.interface import Response
from rgbt_track.models.teacher import OnnxTeacher, load_teacher
from rgbt_track.pairs.sampler import pair_generator
from rgbt_track.pairs.sources import pair_dataset
from rgbt_track.pairs.teacher_targets import TeacherTargets, rescale_centered
from rgbt_track.tracking.tracker import Tracker
from rgbt_track.training.module import TrackingModule

SIZE, COUNT, BATCH = 5, 2, 3
ANCHORS = torch.from_numpy(anchor_boxes(AnchorConfig(ratios=(0.5, 2.0), scales=(3.0,)), SIZE))


def square(size: int, x: float, y: float, side: int, level: int = 200) -> np.ndarray:
    image = np.full((size, size, 3), 60, np.uint8)
    left, top = round(x - side / 2), round(y - side / 2)
    image[top : top + side, left : left + side] = level
    return image


# The interface


def test_onnx_files_answer_as_a_loop_over_cells(tmp_path):
    write_onnx_teacher(tmp_path)
    teacher = load_teacher(tmp_path)
    assert (teacher.template_size, teacher.search_size, teacher.stride) == (27, 63, 9)
    rng = np.random.default_rng(0)
    template = rng.integers(90, 110, (27, 27, 3), np.uint8)
    search = rng.integers(0, 255, (63, 63, 3), np.uint8)
    probability, boxes = teacher.respond(teacher.template(template), search)
    assert probability.shape == (7, 7) and boxes.shape == (7, 7, 4)
    level = template[..., 2].mean()  # the first channel of BGR is the last of RGB
    for row in range(7):
        for column in range(7):
            mean = search[9 * row : 9 * row + 9, 9 * column : 9 * column + 9, 2].mean()
            logit = 10 - abs(mean - level) / 4
            assert probability[row, column] == pytest.approx(1 / (1 + math.exp(-2 * logit)), 1e-4)
            x, y = (column - 3) * 9, (row - 3) * 9
            np.testing.assert_allclose(boxes[row, column], [x - 10, y - 10, x + 10, y + 10])


def test_an_onnx_teacher_travels_to_workers(tmp_path):
    write_onnx_teacher(tmp_path)
    teacher = OnnxTeacher(tmp_path)
    crop = square(27, 13, 13, 9)
    before = teacher.template(crop)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(teacher)).template(crop), before)


def test_what_is_no_teacher_is_said_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no such teacher"):
        load_teacher(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"no backbone.onnx in .*; a teacher is a folder"):
        load_teacher(tmp_path)
    with pytest.raises(ValueError, match=r"expected a folder or package\.module:factory"):
        load_teacher("no_such_module:Teacher")
    write_onnx_teacher(tmp_path, bad_head=True)
    teacher = load_teacher(tmp_path)
    crop = square(63, 31, 31, 9)
    with pytest.raises(ValueError, match=r"head.onnx: outputs .*; expected \(1, 2, S, S\)"):
        teacher.respond(teacher.template(crop[18:45, 18:45]), crop)
    (tmp_path / "teacher.yaml").write_text("stride: 8\nsizes: 3\n")
    with pytest.raises(ValueError, match=r"teacher.yaml: unknown key 'sizes'"):
        load_teacher(tmp_path)
    (tmp_path / "teacher.yaml").unlink()
    (tmp_path / "backbone.onnx").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not a network that onnxruntime can run"):
        load_teacher(tmp_path).template(crop)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rgbt-track\[onnx\]'"):
        load_teacher(tmp_path)


def test_a_teacher_tracks_through_the_ordinary_tracker():
    engine = TeacherEngine(StubTeacher())
    tracker = Tracker(engine, engine.config())
    frames = [square(120, 40 + 3 * t, 50 + 2 * t, 16) for t in range(12)]
    state = tracker.init(None, frames[0], [32, 42, 16, 16])
    for t, frame in enumerate(frames[1:], start=1):
        state = tracker.update(None, frame, state)
        assert iou_xywh(state.box, [32 + 3 * t, 42 + 2 * t, 16, 16]) > 0.6
        assert state.score > 0.5 and set(state.modalities) == {"tir"}


def test_the_engine_gives_the_teachers_probabilities_and_boxes_back():
    teacher = StubTeacher()
    engine = TeacherEngine(teacher)
    crops = {
        name: square(size, size / 2, size / 2, 11).transpose(2, 0, 1)[None].astype(np.float32)
        for name, size in (("template", 31), ("search", 63))
    }
    template = engine.template({"rgb": crops["template"]})
    response = engine.search(template, {"rgb": crops["search"], "tir": crops["search"]})
    assert set(response) == {"rgb"}
    probability, boxes = teacher.respond(template["rgb"], square(63, 31.5, 31.5, 11))
    np.testing.assert_allclose(response["rgb"].probability[0], probability, atol=1e-5)
    anchors = anchor_boxes(engine.config().model.anchors, 7)
    offsets = response["rgb"].loc.reshape(4, -1).T
    np.testing.assert_allclose(
        decode_centers(offsets, anchors), (boxes[..., :2] + boxes[..., 2:]).reshape(-1, 2) / 2
    )
    sizes = (boxes[..., 2:] - boxes[..., :2]).reshape(-1, 2)
    np.testing.assert_allclose(decode_sizes(offsets, anchors), sizes, rtol=1e-6)


# Its answers on the student's grid


@pytest.mark.parametrize(("size", "out", "scale"), [(47, 31, 31 / 47), (21, 31, 31 / 21)])
def test_rescaling_keeps_the_center(size, out, scale):
    for offset in (0, 4):
        image = square(size, size / 2 + offset, size / 2, 9)
        rows, columns = np.nonzero(rescale_centered(image, scale, out)[..., 0] > 130)
        center = columns.mean() + 0.5 - out / 2, rows.mean() + 0.5 - out / 2
        np.testing.assert_allclose(center, (offset * scale, 0), atol=0.75)


class GridTeacher(StubTeacher):
    """Its answer depends on the cell alone."""

    rng = np.random.default_rng(3)
    probability, boxes = rng.random((7, 7)), rng.normal(0, 9, (7, 7, 4))

    def template(self, crop):
        return None

    def respond(self, kernel, crop):
        return self.probability, self.boxes


def test_answers_at_the_students_cells_are_those_of_a_loop():
    tracking = TrackingConfig(template_size=47, search_size=79)
    targets = TeacherTargets(
        GridTeacher(), TeacherConfig(min_overlap=0), AnchorConfig(), SIZE, tracking
    )
    views = {"rgb": square(47, 23, 23, 9)}, {"rgb": square(79, 39, 39, 9)}
    found = targets.assign(*views, (0, 0, 10, 10), ())
    scale = 31 / 47
    for row in range(SIZE):
        for column in range(SIZE):
            # The cell's place among the teacher's, not beyond its rim.
            places = [(8 * (n - 2)) * scale / 8 + 3 for n in (row, column)]
            y, x = (min(max(place, 0), 6) for place in places)
            y0, x0 = min(int(y), 5), min(int(x), 5)
            probability, box = 0.0, np.zeros(4)
            for v, u in ((y0, x0), (y0, x0 + 1), (y0 + 1, x0), (y0 + 1, x0 + 1)):
                share = (1 - abs(y - v)) * (1 - abs(x - u))
                probability += share * GridTeacher.probability[v, u]
                left, top, right, bottom = GridTeacher.boxes[v, u]
                sides = max((right - left) / scale, 1e-3), max((bottom - top) / scale, 1e-3)
                middle = (left + right) / 2 / scale, (top + bottom) / 2 / scale
                box += share * np.array([*middle, *sides])
            # OpenCV counts places in 32nds of a cell.
            assert found["probability"][0, row, column] == pytest.approx(probability, abs=0.04)
            np.testing.assert_allclose(found["boxes"][0, :, row, column], box, atol=2)
    np.testing.assert_array_equal(found["weight"], [1, 1, 1])


def ask(config: TeacherConfig, search: dict[str, np.ndarray], untaught=(), box=(8, 0, 12, 12)):
    tracking = TrackingConfig(template_size=31, search_size=63)
    targets = TeacherTargets(StubTeacher(), config, AnchorConfig(), SIZE, tracking)
    template = {name: square(31, 15.5, 15.5, 12) for name in search}
    return targets.assign(template, search, box, untaught)


def test_each_branch_learns_from_the_crops_it_is_given_the_best_by_the_label():
    right, wrong = square(63, 39.5, 31.5, 12), square(63, 15.5, 31.5, 12)
    both = {"rgb": right, "tir": wrong}
    cross = ask(TeacherConfig(rgb=("rgb",), tir=("rgb",), fused=("tir",)), both)
    np.testing.assert_array_equal(cross["weight"], [1, 1, 0])
    np.testing.assert_array_equal(cross["probability"][1], cross["probability"][0])
    own = ask(TeacherConfig(rgb=("rgb",), tir=("tir",), fused=("tir", "rgb")), both)
    np.testing.assert_array_equal(own["weight"], [1, 0, 1])
    peak = np.unravel_index(own["probability"][2].argmax(), (SIZE, SIZE))
    assert peak == (2, 3)  # eight pixels to the right
    np.testing.assert_allclose(own["boxes"][2][:2, 2, 3], (8, 0), atol=1)
    thermal_alone = ask(TeacherConfig(tir=("rgb",)), {"tir": right})
    np.testing.assert_array_equal(thermal_alone["weight"], [0, 0, 1])
    untaught = ask(TeacherConfig(), both, untaught={"rgb"})
    np.testing.assert_array_equal(untaught["weight"], [0, 1, 1])


def test_another_context_and_other_crops_are_refused():
    with pytest.raises(ValueError, match=r"the teacher's context is 0.5, tracking.context is 0.4"):
        tracking = TrackingConfig(context=0.4)
        TeacherTargets(StubTeacher(), TeacherConfig(), AnchorConfig(), SIZE, tracking)
    with pytest.raises(ValueError, match="crop of the teacher 'thermal'"):
        TeacherConfig(tir=("thermal",))


# The losses


def distillation_loop(response, probability, boxes, weight):
    """Cell by cell: its best anchor's score and box beside the teacher's."""
    terms, counts = np.zeros(3), np.zeros(3)
    for b in range(BATCH):
        for y in range(SIZE):
            for x in range(SIZE):
                margins = [
                    float(response.cls[b, COUNT + k, y, x] - response.cls[b, k, y, x])
                    for k in range(COUNT)
                ]
                best = int(np.argmax(margins))
                p = 1 / (1 + math.exp(-margins[best]))
                t, w = float(probability[b, y, x]), float(weight[b])
                divergence = t * math.log(t / p) + (1 - t) * math.log((1 - t) / (1 - p))
                terms[0] += w * t * divergence
                terms[1] += w * (1 - t) * divergence
                counts += [w * t, w * (1 - t), 0]
                if t < 0.1:
                    continue
                loc = response.loc[b].reshape(4, COUNT, SIZE, SIZE)[:, best, y, x].tolist()
                anchor = ANCHORS[(best * SIZE + y) * SIZE + x].tolist()
                cx, cy = loc[0] * anchor[2] + anchor[0], loc[1] * anchor[3] + anchor[1]
                width, height = math.exp(loc[2]) * anchor[2], math.exp(loc[3]) * anchor[3]
                other = boxes[b, :, y, x].tolist()
                overlap = iou_xywh(
                    [cx - width / 2, cy - height / 2, width, height],
                    [other[0] - other[2] / 2, other[1] - other[3] / 2, *other[2:]],
                )
                terms[2] += w * t * (1 - overlap)
                counts[2] += w * t
    return terms, counts


def distillation_example(seed: int):
    generator = torch.Generator().manual_seed(seed)
    response = Response(
        torch.randn(BATCH, 2 * COUNT, SIZE, SIZE, generator=generator),
        torch.randn(BATCH, 4 * COUNT, SIZE, SIZE, generator=generator) * 0.3,
    )
    probability = torch.rand(BATCH, SIZE, SIZE, generator=generator) * 0.98 + 0.01
    boxes = torch.randn(BATCH, 4, SIZE, SIZE, generator=generator) * 8
    boxes[:, 2:] = 20 + boxes[:, 2:].abs()
    return response, probability, boxes, torch.tensor([1.0, 0.0, 1.0])


@pytest.mark.parametrize("seed", range(4))
def test_distillation_is_that_of_a_loop(seed):
    response, probability, boxes, weight = distillation_example(seed)
    sums = distillation_sums(response, probability, boxes, weight, ANCHORS)
    terms, counts = distillation_loop(response, probability, boxes, weight)
    got = [float(sums.target), float(sums.background), float(sums.box)]
    np.testing.assert_allclose(got, terms, rtol=1e-4)
    np.testing.assert_allclose(sums.counts.numpy(), counts, rtol=1e-5)


def test_distillation_is_least_where_the_student_equals_the_teacher():
    response, probability, boxes, weight = distillation_example(0)
    logit = torch.logit(probability)[:, None].expand(-1, COUNT, -1, -1)
    same = Response(torch.cat([torch.zeros_like(logit), logit], 1), response.loc)
    sums = distillation_sums(same, probability, boxes, weight, ANCHORS)
    assert abs(float(sums.target)) < 1e-4 and abs(float(sums.background)) < 1e-4


# Training with a teacher


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path)


def distilling(root: Path, **training):
    teacher = {"path": "stub_teacher:StubTeacher", "min_overlap": 0.0}
    loss = {"feature_levels": [0, 0, 0], "distill_response": 0.5, "distill_box": 0.25}
    return tiny_experiment(root, **{"teacher": teacher, "loss": loss, **training})


def test_a_teacher_is_asked_only_where_its_terms_count(root):
    alone = pair_dataset(tiny_experiment(root))
    guided = pair_dataset(distilling(root))
    assert alone.teacher is None
    for index in range(8):
        plain, example = alone[0, index], guided[0, index]
        assert "teacher" not in plain
        np.testing.assert_array_equal(plain["labels"], example["labels"])
        for side in ("template", "search"):
            for name in ("rgb", "tir"):
                np.testing.assert_array_equal(plain[side][name], example[side][name])
        assert example["teacher"]["probability"].shape[0] == 3
        if example["negative"]:
            assert not example["teacher"]["weight"].any()
    assert guided.teacher.teacher.asked > 0


def test_a_lost_modality_is_not_taught(root):
    config = distilling(root, negative=0.0, augment={"search_shift": 16, "black": 1.0})
    dataset = pair_dataset(config)
    lost = set()
    for index in range(8):
        labels, weight = dataset[0, index]["labels"], dataset[0, index]["teacher"]["weight"]
        (row,) = [row for row in range(3) if not (labels[row] == 1).any()]
        assert weight[row] == 0 and weight[2] == 1
        lost.add(row)
    assert lost == {0, 1}


def test_the_clean_crop_is_mirrored_with_the_pair(root):
    config = distilling(root, negative=0.0, augment={"search_shift": 16, "color": 0, "noise": 0})
    dataset = pair_dataset(config)
    for index in range(8):
        pair = dataset.pair(pair_generator(3, 0, index))
        x, y, w, h = pair.search.box
        inside = pair.clean[1]["tir"][
            round(y) + 3 : round(y + h) - 3, round(x) + 3 : round(x + w) - 3
        ]
        assert inside.size == 0 or inside.mean() > 200


def test_the_terms_are_named_weighed_and_learned(root):
    config = distilling(root, negative=0.0)
    dataset = pair_dataset(config)
    batch = torch.utils.data.default_collate([dataset[0, index] for index in range(4)])
    module = TrackingModule(config)
    terms = module.losses(batch)
    names = [
        f"distill_{what}_{branch}" for what in ("response", "box") for branch in ("rgb", "tir")
    ]
    assert all(terms[name] > 0 for name in names)
    plain = TrackingModule(tiny_experiment(root)).losses(batch)
    added = sum(
        0.5 * terms[f"distill_response_{branch}"] + 0.25 * terms[f"distill_box_{branch}"]
        for branch in ("rgb", "tir", "fused")
    )
    difference = (terms["total"] - plain["total"]).item()
    assert difference == pytest.approx(added.item(), rel=1e-4)
    optimizer = torch.optim.Adam(module.network.parameters(), 0.01)
    for _ in range(12):
        optimizer.zero_grad()
        now = module.losses(batch)
        sum(now[name] for name in names).backward()
        optimizer.step()
    after = module.losses(batch)
    assert sum(after[name] for name in names) < 0.8 * sum(terms[name] for name in names)


def test_weights_without_a_teacher_are_refused(root):
    with pytest.raises(ValueError, match=r"need a teacher: give teacher.path"):
        tiny_experiment(root, loss={"distill_box": 0.1})
    with pytest.raises(ValueError, match="distill_box is -1"):
        LossConfig(distill_box=-1)
