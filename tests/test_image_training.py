"""Training of image-fusion networks: experiments, pairs, features, and whole small runs."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from rgbt_track.config.experiments import experiment_names, read_task
from rgbt_track.config.image_fusion import (
    ImageExperiment,
    ImageTrainingConfig,
    PairSourceConfig,
    load_image_experiment,
)
from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.tracker import load_config
from rgbt_track.image_fusion.training.ablation import (
    find_variants,
    score_network,
    train_variant,
)
from rgbt_track.image_fusion.training.data import PairImages, find_pairs, stretch_range
from rgbt_track.image_fusion.training.vgg_features import STAND_IN, vgg_blocks
from rgbt_track.io.images import write_image
from rgbt_track.models.image_networks import build_image_network, load_image_network
from rgbt_track.resources import folder

pytest.importorskip("lightning")

EXPERIMENTS = sorted(folder("experiments").rglob("*.yaml"))
SHIPPED = [path for path in EXPERIMENTS if read_task(path) == "image_fusion"]
SMALL = """
task: image_fusion
network: {name: NAME, args: ARGS}
training:
  sources: [{dataset: pairs}]
  side: 16
  view: crop
  features: random_vgg16
  epochs: 2
  batch: 2
  pairs_per_epoch: 8
  workers: 0
  checkpoint_every: 3
  optimizer: {lr: 0.003}
"""
ARGS = {
    "lrrnet": "{width: 4}",
    "lrcfuse": "{width: 4, common_width: 4}",
    "lwc_densefuse": "{growth: 4}",
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pairs of 40x30: noise and gradients, colour and grey."""
    root, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for name in ("color", "ir"):
        (root / name).mkdir()
    for index in range(4):
        ramp = np.linspace(0, 200, 40).astype(np.uint8)
        visible = np.broadcast_to(ramp, (30, 40))[..., None].repeat(3, 2).copy()
        visible[..., index % 3] += rng.integers(0, 50, (30, 40), np.uint8)
        infrared = np.full((30, 40), 40, np.uint8)
        infrared[5 * index : 5 * index + 10, 10:20] = 220
        write_image(root / "color" / f"{index}.png", visible)
        write_image(root / "ir" / f"{index}.png", infrared)
    return root


def written(tmp_path: Path, name: str = "lrrnet", extra: str = "") -> Path:
    path = tmp_path / f"{name}_small.yaml"
    path.write_text(SMALL.replace("NAME", name).replace("ARGS", ARGS[name]) + extra)
    return path


def experiment(
    tmp_path: Path, pairs: Path, name: str = "lrrnet", *settings: str
) -> ImageExperiment:
    return load_image_experiment(written(tmp_path, name), [f"training.root={pairs}", *settings])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_experiment_builds_and_is_complete(path: Path) -> None:
    config = load_image_experiment(path)
    assert config.name == path.stem
    assert from_mapping(ImageExperiment, to_mapping(config), "again") == config
    network = build_image_network(config.network.name, config.network.args)
    assert sum(p.numel() for p in network.parameters()) > 20_000
    given = yaml.safe_load(path.read_text())["training"]
    assert {"features", "epochs", "batch", "side", "loss", "optimizer", "sources"} <= set(given)


def test_shipped_experiments_are_the_papers() -> None:
    assert {"lrrnet", "lrrnet_paper", "lrcfuse", "lwc_densefuse"} <= {p.stem for p in SHIPPED}
    lrrnet = to_mapping(load_image_experiment("lrrnet"))
    variants = find_variants(None, [])
    base = to_mapping(load_image_experiment(variants["blocks4"]))
    pairs = zip(_both(base), _both(lrrnet), strict=True)
    assert {k for (k, v), (_, w) in pairs if v != w} == {"sources", "distinct_pairs"}
    changed = {}
    for name, path in variants.items():
        other = to_mapping(load_image_experiment(path))
        flat = [(k, v) for section in ("network", "training") for k, v in _flat(other[section])]
        assert len(flat) == len(dict(flat))
        changed[name] = {k: v for (k, v), (_, w) in zip(flat, _both(base), strict=True) if v != w}
    assert changed == {
        "blocks2": {"args.blocks": 2},
        "blocks4": {},
        "blocks6": {"args.blocks": 6},
        "blocks8": {"args.blocks": 8},
        "conv8": {"args.extractor": "conv8"},
        "dense": {"args.extractor": "dense"},
        "without_pixel": {"loss.pixel": 0.0},
        "without_gram": {"loss.deep": 0.0},
    }
    paper = load_image_experiment("lrrnet_paper").training
    assert (paper.optimizer.name, paper.optimizer.lr) == ("adam", 1e-5)
    assert paper.optimizer.weight_decay == 0.9 and paper.optimizer.final_share == 1.0
    assert (paper.side, paper.batch, paper.epochs, paper.pairs_per_epoch) == (128, 8, 4, 20000)


def _flat(values: dict, prefix: str = "") -> list[tuple[str, object]]:
    found = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, value))
    return found


def _both(base: dict) -> list[tuple[str, object]]:
    return _flat(base["network"]) + _flat(base["training"])


def test_trackers_and_image_networks_are_kept_apart(tmp_path: Path) -> None:
    trackers, fusing = experiment_names("tracking"), experiment_names("image_fusion")
    assert "lrrtrack_lite" in trackers and "lrrnet" in fusing and not set(trackers) & set(fusing)
    with pytest.raises(
        ValueError, match=r"an image-fusion experiment, not a tracker; trackers are .*lite"
    ):
        load_config("lrrnet")
    for text, message in [
        ("loss: {pixl: 1}", "unknown key 'pixl', did you mean 'pixel'"),
        ("view: whole", "view is 'whole'; valid: resize, crop"),
        ("side: 8", "side is 8; the fourth block"),
        ("batch: 0", "batch is 0; expected at least 1"),
        ("stages: {reconstruct_until: 0.5, full_at: 0.2}", "reconstruct_until <= full_at"),
        ("sources: [{every: 0}]", "every is 0"),
        ("loss: {middle_blocks: [1]}", "middle_blocks"),
    ]:
        key, _, value = text.partition(": ")
        with pytest.raises(ValueError, match=message):
            load_image_experiment(written(tmp_path), [f"training.{key}={value}"])
    with pytest.raises(ValueError, match="unknown image network 'lrnet', did you mean 'lrrnet'"):
        build_image_network("lrnet", {})
    with pytest.raises(ValueError, match=r"image network 'lrrnet': .*widht"):
        build_image_network("lrrnet", {"widht": 4})


def test_pairs_are_squares_in_gray_drawn_by_their_key(pairs: Path) -> None:
    source = (PairSourceConfig(),)
    found = find_pairs(source * 2, str(pairs))  # each pair once
    assert [(a.parent.name, b.parent.name, a.stem == b.stem) for a, b in found] == [
        ("color", "ir", True)
    ] * 4
    assert len(find_pairs((PairSourceConfig(every=2),), str(pairs))) == 4  # stills: one frame each
    training = ImageTrainingConfig(side=16, view="crop")
    data = PairImages(found, training)
    visible, infrared = data[0, 3]
    assert visible.shape == infrared.shape == (1, 16, 16) and visible.dtype == torch.float32
    assert visible.min() >= 0 and 60 < visible.max() <= 255
    assert torch.equal(data[0, 3][0], visible)
    others = [data[key][0] for key in [(0, 4), (1, 3)]]
    others.append(PairImages(found, replace(training, seed=9))[0, 3][0])
    assert not any(torch.equal(other, visible) for other in others)
    whole = PairImages(found, ImageTrainingConfig(side=20)).whole(0)[0]
    assert whole[0, :, 0].mean() < 40 and whole[0, :, -1].mean() > 150  # the whole ramp, squeezed


def test_distinct_pairs_are_chosen_once_and_shown_once_an_epoch(pairs: Path) -> None:
    found = [(Path(f"v{i}"), Path(f"i{i}")) for i in range(50)]
    training = ImageTrainingConfig(side=16, pairs_per_epoch=20, distinct_pairs=20, batch=4)

    def epoch(number: int, training: ImageTrainingConfig = training) -> list[tuple[Path, Path]]:
        data = PairImages(found, training)
        return [data._draw((number, i), np.random.default_rng(0)) for i in range(20)]

    first, second = epoch(0), epoch(1)
    assert len(set(first)) == 20 and set(first) == set(second) and first != second
    assert epoch(0) == first
    assert set(epoch(0, replace(training, seed=2))) != set(first)
    data = PairImages(found, training)  # keys in any order, as a resume and workers ask for them
    keys = [(1, 3), (0, 3), (1, 4)]
    drawn = [data._draw(key, np.random.default_rng(0)) for key in keys]
    assert drawn == [second[3], first[3], second[4]]
    with pytest.raises(ValueError, match="distinct_pairs is 20, but the sources have 4 pairs"):
        PairImages(find_pairs((PairSourceConfig(),), str(pairs)), training)
    with pytest.raises(ValueError, match="distinct_pairs is 10; expected pairs_per_epoch, 20"):
        replace(training, distinct_pairs=10)


def test_lrrnets_two_experiments_differ_in_the_optimizer_alone() -> None:
    ours, paper = (load_image_experiment(name) for name in ("lrrnet", "lrrnet_paper"))
    assert replace(paper.training, optimizer=ours.training.optimizer) == ours.training
    assert ours.network == paper.network
    assert ours.training.distinct_pairs == ours.training.pairs_per_epoch == 20_000
    (source,) = ours.training.sources
    assert (source.dataset, source.split, source.every) == ("kaist", "train", 1)


@pytest.mark.parametrize("name", ["lrrnet", "lrrnet_paper"])
def test_without_kaist_it_says_where_it_is_and_how_to_do_without(
    name: str, pairs: Path, tmp_path: Path
) -> None:
    training = load_image_experiment(name).training
    with pytest.raises(
        FileNotFoundError, match=r"kaist; .*SoonminHwang/rgbt-ped.* other pairs: tr"
    ) as e:
        find_pairs(training.sources, str(tmp_path))
    text = str(e.value)
    assert "\n" not in text
    remedy = shlex.split(text.partition("other pairs: ")[2].replace("FOLDER", str(pairs)))
    training = load_image_experiment(name, remedy).training
    assert find_pairs(training.sources, training.root) and training.distinct_pairs == 0
    with pytest.raises(FileNotFoundError, match=r"training\.sources lie$"):
        find_pairs((PairSourceConfig(folder="none"),), str(tmp_path))


def test_crops_are_the_same_square_of_both(pairs: Path, tmp_path: Path) -> None:
    for name in ("color", "ir"):
        (tmp_path / name).mkdir()
        image = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
        image[...] = image[..., :1]
        write_image(tmp_path / name / "a.png", image)
    data = PairImages(
        find_pairs((PairSourceConfig(),), str(tmp_path)), ImageTrainingConfig(side=16, view="crop")
    )
    for index in range(5):
        visible, infrared = data[0, index]
        assert torch.equal(visible, infrared)


def test_crops_are_stretched_by_the_whole_image(pairs: Path) -> None:
    found = find_pairs((PairSourceConfig(),), str(pairs))
    data = PairImages(found, ImageTrainingConfig(side=16, view="crop"))
    whole = data.whole(0)[1]  # infrared of 40 and 220
    assert whole.min() == 0 and whole.max() == 255
    values = {float(x) for index in range(8) for x in data[0, index][1].unique()}
    assert {0.0, 255.0} <= values
    assert stretch_range(np.full((2, 2), 9, np.uint8)).max() == 0


def test_untrained_features_keep_the_size_of_pixels() -> None:
    blocks = vgg_blocks(STAND_IN)
    images = 255 * torch.rand(1, 1, 32, 32).expand(-1, 3, -1, -1)
    maps = blocks(images)
    shapes = [tuple(m.shape[1:]) for m in maps]
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8), (128, 4, 4)]
    assert all(40 < m.square().mean().sqrt() < 400 for m in maps)
    assert all(torch.equal(a, b) for a, b in zip(maps, vgg_blocks(STAND_IN)(images), strict=True))


def test_blocks_are_torchvisions_and_weights_come_from_files(tmp_path: Path) -> None:
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(3)
    features = make_layers(cfgs["D"])
    torch.save({f"features.{k}": v for k, v in features.state_dict().items()}, tmp_path / "vgg.pth")
    blocks = vgg_blocks(str(tmp_path / "vgg.pth"))
    image = torch.rand(1, 3, 32, 32)
    x, expected = image, []
    for index, layer in enumerate(features):
        x = layer(x)
        if index in (3, 8, 15, 22):  # relu1_2, relu2_2, relu3_3, relu4_3
            expected.append(x)
    for got, want in zip(blocks(image), expected, strict=True):
        torch.testing.assert_close(got, want)
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"not VGG-16: 0\.weight is"):
        vgg_blocks(str(tmp_path / "other.pth"))
    with pytest.raises(FileNotFoundError, match="no such weights file: vgg17"):
        vgg_blocks("vgg17")


def test_missing_download_names_the_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.models

    def offline(weights: object) -> None:
        assert weights is torchvision.models.VGG16_Weights.IMAGENET1K_V1
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models, "vgg16", offline)
    with pytest.raises(ValueError, match=r"no route to host.*features=random_vgg16"):
        vgg_blocks("vgg16")


def run(config: ImageExperiment, out: Path, resume: bool = False) -> Path:
    from rgbt_track.image_fusion.training.run import train_image_fusion

    return train_image_fusion(
        config, out, resume=resume, devices=1, accelerator="cpu", progress=False
    )


def curves(out: Path) -> dict[str, list[tuple[int, float]]]:
    from rgbt_track.training.metrics_reading import read_metrics

    return read_metrics(out / "metrics.csv")


@pytest.mark.parametrize("name", ARGS)
def test_a_run_leaves_weights_curves_and_a_record(name: str, tmp_path: Path, pairs: Path) -> None:
    config = experiment(tmp_path, pairs, name, "training.validation=[]")
    weights = run(config, tmp_path / "run")
    assert (tmp_path / "run" / "curves.png").read_bytes()[:4] == b"\x89PNG"
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["seed"] == 1 and "torch" in record["packages"]
    assert (
        yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["training"]["features"]
        == STAND_IN
    )
    terms = {
        "train/pixel",
        "train/shallow",
        "train/middle",
        "train/deep",
        "train/total",
        "train/lr",
    }
    assert terms <= set(curves(tmp_path / "run"))
    network = load_image_network(weights)
    assert not network.training
    start = build_image_network(name, config.network.args, seed=1)
    moved = [
        not torch.equal(a, b) for a, b in zip(network.parameters(), start.parameters(), strict=True)
    ]
    assert any(moved)
    with pytest.raises(FileExistsError, match="holds a run already"):
        run(config, tmp_path / "run")


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, pairs: Path) -> None:
    config = experiment(tmp_path, pairs)
    whole = load_image_network(run(config, tmp_path / "whole"))
    _interrupted(config, tmp_path / "half")
    resumed = load_image_network(run(config, tmp_path / "half", resume=True))
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    other = load_image_experiment(
        written(tmp_path), [f"training.root={pairs}", "network.args.width=5"]
    )
    with pytest.raises(ValueError, match=r"cannot resume: network\.args was"):
        run(other, tmp_path / "half", resume=True)


def _interrupted(config: ImageExperiment, out: Path) -> None:
    """Stop in the second epoch, after its checkpoint of step 6 of 8."""
    from rgbt_track.image_fusion.training import module as image_module

    original = image_module.ImageFusionModule.training_step

    def failing(self: image_module.ImageFusionModule, batch: object, index: int) -> torch.Tensor:
        if self.global_step == 7:
            raise KeyError("power cut")
        return original(self, batch, index)  # type: ignore[arg-type]

    image_module.ImageFusionModule.training_step = failing  # type: ignore[method-assign, assignment]
    try:
        with pytest.raises(KeyError, match="power cut"):
            run(config, out)
    finally:
        image_module.ImageFusionModule.training_step = original  # type: ignore[method-assign]


def test_losses_fall_and_stages_follow_each_other(tmp_path: Path, pairs: Path) -> None:
    config = experiment(
        tmp_path, pairs, "lwc_densefuse", "training.epochs=20",
        "training.validation=[]", "training.stages={reconstruct_until: 0.4, full_at: 0.6}",
    )  # fmt: skip
    run(config, tmp_path / "run")
    found = curves(tmp_path / "run")
    rebuilt = [value for _, value in found["train/reconstruction"]]
    assert rebuilt[-1] < rebuilt[0] / 2
    assert max(step for step, _ in found["train/reconstruction"]) < 0.62 * 80
    assert min(step for step, _ in found["train/deep"]) >= 0.4 * 80


def test_validation_pairs_are_held_out(tmp_path: Path, pairs: Path) -> None:
    with pytest.raises(ValueError, match="4 validation pairs are trained on"):
        run(experiment(tmp_path, pairs, "lrrnet", "training.validation=[{}]"), tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"nowhere; training\.root is where"):
        run(experiment(tmp_path, pairs, "lrrnet", "training.root=nowhere"), tmp_path / "run")
    with pytest.raises(ValueError, match=r"nothing to train on: give .* training\.sources"):
        run(experiment(tmp_path, pairs, "lrrnet", "training.sources=[]"), tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, pairs: Path) -> None:
    config = experiment(tmp_path, pairs, "lrrnet", "training.optimizer.lr=1.0e+30")
    with pytest.raises(ValueError, match=r"lower training\.optimizer\.lr|NaN or infinite"):
        run(config, tmp_path / "run")


def test_ablations_train_what_is_missing_and_are_scored_alike(tmp_path: Path, pairs: Path) -> None:
    place = tmp_path / "experiments"
    place.mkdir()
    written(place)
    found = find_variants(place, [])
    assert list(found) == ["lrrnet_small"]
    weights = train_variant(found["lrrnet_small"], pairs, tmp_path / "out", [], "cpu")
    written_at = weights.stat().st_mtime_ns
    assert train_variant(found["lrrnet_small"], pairs, tmp_path / "out", []) == weights
    assert weights.stat().st_mtime_ns == written_at
    values = score_network(weights, pairs, limit=2)
    assert values["En"] > 0 and np.isfinite(values["Nabf"])
    with pytest.raises(ValueError, match="no variant 'block2', did you mean 'blocks2'"):
        find_variants(None, ["block2"])
    with pytest.raises(FileNotFoundError, match="no experiments"):
        find_variants(tmp_path / "nowhere", [])
