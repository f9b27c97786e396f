from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fusion_modules import FusionLoss, ResidualLoss
from rgbt_track.config.tracker import AnchorConfig
from rgbt_track.config.training import LossConfig, OptimizerConfig, TrainingConfig
from rgbt_track.models.anchors import anchor_boxes, decode_offsets
from rgbt_track.models.interface import Response
from rgbt_track.models.losses import best_boxes, branch_sums, iou_cxcywh
from rgbt_track.models.network import NetworkOutput
from rgbt_track.training.criterion import Criterion
from rgbt_track.training.schedule import describe_rate, learning_rate, rate_factor

BATCH, SIZE = 3, 5
ANCHORS = torch.from_numpy(anchor_boxes(AnchorConfig(ratios=(0.5, 2.0), scales=(4.0,)), SIZE))
COUNT = 2


def example(seed: int) -> tuple[Response, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    response = Response(
        torch.randn(BATCH, 2 * COUNT, SIZE, SIZE, generator=generator),
        torch.randn(BATCH, 4 * COUNT, SIZE, SIZE, generator=generator) * 0.3,
    )
    labels = torch.randint(-1, 2, (BATCH, COUNT, SIZE, SIZE), generator=generator)
    labels[0][labels[0] == 1] = 0  # an item without a target
    loc = torch.randn(BATCH, 4, COUNT, SIZE, SIZE, generator=generator) * 0.3
    return response, labels, loc


def iou_loop(a: list[float], b: list[float]) -> float:
    w = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    h = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    overlap = max(w, 0) * max(h, 0)
    return overlap / (a[2] * a[3] + b[2] * b[3] - overlap)


def decode_loop(offsets: list[float], anchor: list[float]) -> list[float]:
    return [
        offsets[0] * anchor[2] + anchor[0],
        offsets[1] * anchor[3] + anchor[1],
        math.exp(offsets[2]) * anchor[2],
        math.exp(offsets[3]) * anchor[3],
    ]


def losses_loop(response: Response, labels: torch.Tensor, loc: torch.Tensor, kind: str) -> dict:
    """pysot's losses, one anchor after another."""
    positive, negative = [], []
    distance, overlap, items = 0.0, 0.0, 0
    for b in range(BATCH):
        of_item, of_overlap = [], []
        for k in range(COUNT):
            for y in range(SIZE):
                for x in range(SIZE):
                    label = int(labels[b, k, y, x])
                    logits = [float(response.cls[b, c * COUNT + k, y, x]) for c in range(2)]
                    total = math.log(sum(math.exp(value) for value in logits))
                    if label == 0:
                        negative.append(total - logits[0])
                    if label != 1:
                        continue
                    positive.append(total - logits[1])
                    found = [float(response.loc[b, c * COUNT + k, y, x]) for c in range(4)]
                    wanted = [float(loc[b, c, k, y, x]) for c in range(4)]
                    errors = [abs(f - w) for f, w in zip(found, wanted, strict=True)]
                    if kind == "smooth_l1":
                        beta = 1 / 9
                        errors = [e - beta / 2 if e > beta else e * e / (2 * beta) for e in errors]
                    of_item.append(sum(errors))
                    anchor = ANCHORS[(k * SIZE + y) * SIZE + x].tolist()
                    pair = decode_loop(found, anchor), decode_loop(wanted, anchor)
                    of_overlap.append(1 - iou_loop(*pair))
        if of_item:
            items += 1
            distance += sum(of_item) / len(of_item)
            overlap += sum(of_overlap) / len(of_overlap)
    return {
        "cls_rgb": 0.5 * sum(positive) / len(positive) + 0.5 * sum(negative) / len(negative),
        "loc_rgb": distance / items,
        "iou_rgb": overlap / items,
    }


@pytest.mark.parametrize("kind", ["l1", "smooth_l1"])
@pytest.mark.parametrize("seed", range(3))
def test_losses_against_loops(seed: int, kind: str) -> None:
    response, labels, loc = example(seed)
    config = LossConfig(cls=1.5, loc=1.2, iou=0.7, regression=kind)  # type: ignore[arg-type]
    criterion = Criterion(config, ANCHORS, ("rgb",), has_feature_loss=False)
    batch = {"labels": torch.stack([labels] * 3, 1), "loc": loc}
    terms = criterion(NetworkOutput({"rgb": response}, {}), batch)
    wanted = losses_loop(response, labels, loc, kind)
    for name, value in wanted.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-5)
    total = 1.5 * wanted["cls_rgb"] + 1.2 * wanted["loc_rgb"] + 0.7 * wanted["iou_rgb"]
    assert float(terms["total"]) == pytest.approx(total, rel=1e-5)


def test_each_branch_has_its_own_labels_and_the_feature_loss_counts_a_tenth() -> None:
    response, labels, loc = example(0)
    criterion = Criterion(LossConfig(feature_levels=(0, 0, 0)), ANCHORS, ("rgb", "fused"), True)
    blind = torch.full_like(labels, -1)
    batch = {"labels": torch.stack([labels, blind, blind], 1), "loc": loc}
    levels = {name: [torch.randn(BATCH, 4, 6, 6)] for name in ("rgb", "tir", "fused")}
    output = NetworkOutput({"rgb": response, "fused": response}, levels)
    terms = criterion(output, batch)
    assert float(terms["cls_fused"]) == float(terms["loc_fused"]) == 0
    rest = terms["cls_rgb"] + 1.2 * terms["loc_rgb"]
    assert float(terms["total"]) == pytest.approx(float(rest + 0.1 * terms["feature"]), rel=1e-5)
    parts = terms["feature_shallow"] + terms["feature_middle"] + terms["feature_deep"]
    assert float(terms["feature"]) == pytest.approx(float(parts), rel=1e-5)


def test_sums_over_ranks_divided_by_shared_counts_are_the_loss_of_one_process() -> None:
    response, labels, loc = example(1)
    config = LossConfig()
    criterion = Criterion(config, ANCHORS, ("tir",), False)

    def terms(items: slice, share=None) -> dict:
        part = Response(response.cls[items], response.loc[items])
        batch = {"labels": torch.stack([labels[items]] * 3, 1), "loc": loc[items]}
        return criterion(NetworkOutput({"tir": part}, {}), batch, share)

    whole = terms(slice(None))
    counts = branch_sums(response, labels, loc, ANCHORS).counts / 2  # the mean over two ranks
    ranks = [terms(part, lambda _: counts[None]) for part in (slice(0, 1), slice(1, 3))]
    for name in ("cls_tir", "loc_tir", "total"):
        mean = (ranks[0][name] + ranks[1][name]) / 2
        assert float(mean) == pytest.approx(float(whole[name]), rel=1e-5)


@pytest.mark.parametrize("kind", ["llrr", "rfn"])
@pytest.mark.parametrize("place", ["neck", "backbone"])
@pytest.mark.parametrize("sides", [("search",), ("template",), ("search", "template")])
def test_the_feature_loss_is_summed_over_the_chosen_sides_of_the_chosen_levels(
    kind: str, place: str, sides: tuple[str, ...]
) -> None:
    response, labels, loc = example(2)
    generator = torch.Generator().manual_seed(7)
    levels = [
        {n: [torch.randn(2, 4, 6, 5, generator=generator)] * 3 for n in ("rgb", "tir", "fused")}
        for _ in range(4)
    ]
    output = NetworkOutput({"fused": response}, *levels)
    config = LossConfig(feature_kind=kind, feature_at=place, feature_sides=sides)  # type: ignore[arg-type]
    batch = {"labels": torch.stack([labels] * 3, 1), "loc": loc}
    terms = Criterion(config, ANCHORS, ("fused",), True)(output, batch)
    own = ("search", "template")
    chosen = [levels[own.index(side) + 2 * (place == "backbone")] for side in sides]
    loss = FusionLoss() if kind == "llrr" else ResidualLoss()
    parts = [loss(maps["fused"], maps["rgb"], maps["tir"]) for maps in chosen]
    for part in parts[0]:
        name = "feature" if part == "total" else f"feature_{part}"
        assert float(terms[name]) == pytest.approx(sum(float(p[part]) for p in parts), rel=1e-5)
    without = float(terms["cls_fused"]) + 1.2 * float(terms["loc_fused"])
    assert float(terms["total"]) == pytest.approx(without + 0.1 * float(terms["feature"]), rel=1e-5)


def test_sides_of_the_feature_loss_are_named_once() -> None:
    for sides in ((), ("search", "search")):
        with pytest.raises(ValueError, match="expected search, template or both"):
            LossConfig(feature_sides=sides)  # type: ignore[arg-type]


def test_a_batch_without_targets_has_a_finite_loss_with_gradient() -> None:
    response, labels, loc = example(2)
    response = Response(response.cls.requires_grad_(), response.loc.requires_grad_())
    labels[labels == 1] = 0
    criterion = Criterion(LossConfig(iou=1.0), ANCHORS, ("rgb",), False)
    batch = {"labels": torch.stack([labels] * 3, 1), "loc": loc}
    total = criterion(NetworkOutput({"rgb": response}, {}), batch)["total"]
    total.backward()
    assert math.isfinite(total.item()) and total.item() > 0
    assert response.cls.grad is not None and torch.isfinite(response.cls.grad).all()
    assert response.loc.grad is not None and not response.loc.grad.any()


def test_the_gradient_leads_to_the_target() -> None:
    """Descending the loss alone finds the labelled anchor and its box."""
    response, labels, loc = example(0)
    labels = torch.full_like(labels, 0)
    labels[:, 1, 2, 3] = 1
    free = [tensor.clone().requires_grad_() for tensor in response]
    criterion = Criterion(LossConfig(iou=1.0), ANCHORS, ("rgb",), False)
    batch = {"labels": torch.stack([labels] * 3, 1), "loc": loc}
    optimizer = torch.optim.Adam(free, lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        output = NetworkOutput({"rgb": Response(*free)}, {})
        criterion(output, batch)["total"].backward()
        optimizer.step()
    where = (1 * SIZE + 2) * SIZE + 3
    wanted = decode_offsets(loc[:, :, 1, 2, 3], ANCHORS[[where] * BATCH])
    assert (iou_cxcywh(best_boxes(Response(*free), ANCHORS), wanted) > 0.9).all()


def test_overlap_in_training_leaves_out_negative_pairs() -> None:
    response, _, _ = example(0)
    criterion = Criterion(LossConfig(), ANCHORS, ("rgb",), False)
    boxes = best_boxes(response, ANCHORS)
    wrong = boxes.clone()
    wrong[0] += 1000
    batch = {"box": wrong, "negative": torch.tensor([True, False, False])}
    output = NetworkOutput({"rgb": response}, {})
    assert float(criterion.overlaps(output, batch)["rgb"]) == pytest.approx(1.0)
    batch["negative"][:] = True
    assert float(criterion.overlaps(output, batch)["rgb"]) == 0


def test_best_boxes_against_a_loop() -> None:
    response, _, _ = example(4)
    for b, box in enumerate(best_boxes(response, ANCHORS)):
        margin = [
            float(response.cls[b, COUNT + k, y, x] - response.cls[b, k, y, x])
            for k in range(COUNT)
            for y in range(SIZE)
            for x in range(SIZE)
        ]
        best = int(np.argmax(margin))
        k, rest = divmod(best, SIZE * SIZE)
        y, x = divmod(rest, SIZE)
        offsets = [float(response.loc[b, c * COUNT + k, y, x]) for c in range(4)]
        assert box.tolist() == pytest.approx(decode_loop(offsets, ANCHORS[best].tolist()), rel=1e-4)


def test_warm_up_and_log_decay() -> None:
    config = OptimizerConfig(lr=0.005, final_lr=0.0025, warmup_lr=0.001, warmup_epochs=10)
    rates = [learning_rate(config, epoch, 50) for epoch in (0, 5, 10, 30, 50)]
    wanted = [0.001, 0.003, 0.005, 0.005 * math.sqrt(0.5), 0.0025]
    assert rates == pytest.approx(wanted)
    decay = [learning_rate(config, epoch, 50) for epoch in range(10, 51)]
    ratios = np.array(decay[1:]) / decay[:-1]
    assert np.ptp(ratios) < 1e-12  # a straight line in the logarithm


def test_rates_follow_the_pairs_of_a_step() -> None:
    config = TrainingConfig(batch=4, accumulate=2, optimizer=OptimizerConfig(lr=0.005, lr_batch=32))
    assert rate_factor(config, 1) == 0.25 and rate_factor(config, 8) == 2.0
    line = "learning rate 0.0025 with 16 pairs a step (batch 4 x 2 processes x accumulate 2)"
    assert describe_rate(config, 2) == f"{line}: 0.005 is for 32"
    unscaled = TrainingConfig(batch=4, optimizer=OptimizerConfig(lr=0.005))
    assert rate_factor(unscaled, 3) == 1.0
    assert describe_rate(unscaled, 1).startswith("learning rate 0.005 with 4 pairs a step")


@pytest.mark.parametrize("schedule", ["log", "cosine", "constant"])
def test_every_schedule_begins_and_ends_where_it_should(schedule: str) -> None:
    config = OptimizerConfig(
        lr=0.1, final_lr=0.01, warmup_lr=0.02, warmup_epochs=2, schedule=schedule
    )  # type: ignore[arg-type]
    end = 0.1 if schedule == "constant" else 0.01
    rates = [learning_rate(config, epoch, 10) for epoch in (0, 1, 2, 10, 11)]
    assert rates == pytest.approx([0.02, 0.06, 0.1, end, end])


def test_quality_focal_loss_against_a_loop() -> None:
    response, labels, loc = example(3)
    sums = branch_sums(response, labels, loc, ANCHORS, "smooth_l1", "quality")
    batch, count, size, _ = labels.shape
    cls = response.cls.reshape(batch, 2, count, size, size)
    offsets = response.loc.reshape(batch, 4, count, size, size)
    positive = negative = 0.0
    for b, k, i, j in np.ndindex(*labels.shape):
        logit = float(cls[b, 1, k, i, j] - cls[b, 0, k, i, j])
        score = 1 / (1 + math.exp(-logit))
        anchor = ANCHORS[(k * size + i) * size + j].tolist()
        if labels[b, k, i, j] == 1:
            boxes = [
                decode_loop(values[b, :, k, i, j].tolist(), anchor) for values in (offsets, loc)
            ]
            overlap = iou_loop(*boxes)
            entropy = -overlap * math.log(score) - (1 - overlap) * math.log(1 - score)
            positive += abs(overlap - score) ** 2 * entropy
        elif labels[b, k, i, j] == 0:
            negative += -(score**2) * math.log(1 - score)
    assert float(sums.positive) == pytest.approx(positive, rel=1e-4)
    assert float(sums.negative) == pytest.approx(negative, rel=1e-4)
