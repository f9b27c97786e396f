from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import yaml
from conftest import Run
from training_material import tiny_experiment, write_set

from rgbt_track.config.pairs import SourceConfig
from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.tracker import Config, load_experiment
from rgbt_track.models.backbones.resnet import ResNet50
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import load_weights, read_weights_config
from rgbt_track.pairs.sampler import PairBatches
from rgbt_track.pairs.sources import select_names
from rgbt_track.processes import exit_status
from rgbt_track.training.init_weights import load_start
from rgbt_track.training.metrics_reading import read_metrics

pytest.importorskip("lightning")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


def run(config: Config, out: Path, **options: object) -> dict[str, torch.Tensor]:
    """Train on the CPU and return the weights."""
    from safetensors.torch import load_file

    from rgbt_track.training.run import train

    options = {"accelerator": "cpu", "devices": 1, "progress": False, **options}
    return load_file(train(config, out, **options))  # type: ignore[arg-type]


def losses(out: Path) -> list[tuple[int, float]]:
    """(step, total) of every logged step, in order."""
    return read_metrics(out / "metrics.csv")["train/total"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], tolerance: float = 0) -> bool:
    return a.keys() == b.keys() and all(
        torch.allclose(a[key].float(), b[key].float(), rtol=tolerance, atol=tolerance) for key in a
    )


def stop_at(
    step: int, number: int, monkeypatch: pytest.MonkeyPatch, config: Config, out: Path
) -> int:
    """Train until this process gets a signal in the middle of a step; returns the exit status."""
    from rgbt_track.training.module import TrackingModule

    training_step = TrackingModule.training_step

    def stop(self: TrackingModule, batch: dict, index: int) -> torch.Tensor:
        if self.trainer.global_step == step:
            os.kill(os.getpid(), number)
        return training_step(self, batch, index)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt) as caught:
        patched.setattr(TrackingModule, "training_step", stop)
        run(config, out)
    return exit_status(caught.value)


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """An uninterrupted run of two epochs of four steps."""
    out = tmp_path_factory.mktemp("whole")
    return out, run(tiny_experiment(root, log_every=1), out)


def test_the_run_folder(root: Path, whole: tuple[Path, dict]) -> None:
    out, weights = whole
    config = read_weights_config(out / "weights.safetensors")
    assert yaml.safe_load((out / "config.yaml").read_text()) == to_mapping(config)
    record = json.loads((out / "run.json").read_text())
    assert record["seed"] == 3 and record["packages"]["torch"] == version("torch")
    assert record["commit"] is None or len(record["commit"]) >= 40
    assert (out / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert (out / "checkpoints" / "last.ckpt").is_file()
    assert list((out / "log").glob("events.out.tfevents*"))
    assert [step for step, _ in losses(out)] == list(range(8))
    network = build_network(config.model)
    assert network.state_dict().keys() == weights.keys()
    assert read_weights_config(out / "checkpoints" / "last.ckpt") == config
    load_weights(network, out / "checkpoints" / "last.ckpt")
    assert same(dict(network.state_dict()), weights)


def test_the_same_seed_gives_the_same_losses_and_weights(
    root: Path, whole: tuple[Path, dict], tmp_path: Path
) -> None:
    weights = run(tiny_experiment(root, log_every=1, workers=1), tmp_path)
    assert same(whole[1], weights)
    assert losses(tmp_path) == losses(whole[0])
    other = run(tiny_experiment(root, log_every=1, seed=4, epochs=1), tmp_path / "other")
    assert losses(tmp_path / "other")[0] != losses(tmp_path)[0]
    assert not same(whole[1], other)


class Interrupted(Exception):
    pass


def interrupt(config: Config, out: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run until so many optimiser steps are done, and break off in the next one."""
    from rgbt_track.training.module import TrackingModule

    step = TrackingModule.training_step

    def stop(self: TrackingModule, batch: dict, index: int) -> torch.Tensor:
        if self.trainer.global_step == after:
            raise Interrupted
        return step(self, batch, index)

    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(TrackingModule, "training_step", stop)
        run(config, out)


@pytest.mark.parametrize("after", [2, 4, 5])
def test_a_resumed_run_equals_an_uninterrupted_one(
    root: Path,
    whole: tuple[Path, dict],
    tmp_path: Path,
    after: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mid-epoch, at the end of an epoch, and mid-epoch of the second one."""
    config = tiny_experiment(root, log_every=1, checkpoint_every=1)
    interrupt(config, tmp_path, after, monkeypatch)
    weights = run(config, tmp_path, resume=True)
    assert same(whole[1], weights)
    assert losses(tmp_path) == losses(whole[0])


@pytest.mark.parametrize(
    "settings",
    [
        {"stage": "fusion"},
        {"optimizer": {"name": "sgd", "lr": 0.01, "frozen_backbone_epochs": 1}},
        {"accumulate": 2, "average": 0.5},
    ],
)
def test_what_is_frozen_stays_so_over_a_resume(
    root: Path, tmp_path: Path, settings: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_experiment(root, log_every=1, checkpoint_every=1, **settings)
    whole = run(config, tmp_path / "whole")
    interrupt(config, tmp_path / "cut", 1, monkeypatch)
    assert same(whole, run(config, tmp_path / "cut", resume=True))
    assert losses(tmp_path / "whole") == losses(tmp_path / "cut")


CHILD = """
import sys, torch, yaml
from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.tracker import Config
from rgbt_track.training.module import TrackingModule
from rgbt_track.training.run import train
def keep_parameters(module):  # what each process ends with, not only the one that writes
    parameters = {name: value.detach() for name, value in module.named_parameters()}
    torch.save(parameters, f"{sys.argv[2]}-rank{module.global_rank}.pt")
TrackingModule.on_train_end = keep_parameters
config = from_mapping(Config, yaml.safe_load(open(sys.argv[1])), "child")
train(config, sys.argv[2], accelerator="cpu", devices=int(sys.argv[3]), progress=False)
"""


def child(config: Config, folder: Path, devices: int = 1) -> subprocess.Popen[str]:
    settings = folder / "settings.yaml"
    settings.write_text(yaml.safe_dump(to_mapping(config)))
    script = folder / "child.py"
    script.write_text(CHILD)
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            str(script),
            str(settings),
            str(folder / "run"),
            str(devices),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_run_resumes(root: Path, tmp_path: Path) -> None:
    config = tiny_experiment(
        root, log_every=1, checkpoint_every=1, epochs=3, pairs_per_epoch=400, workers=1
    )
    process = child(config, tmp_path)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not last.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    output = process.communicate()[0]
    assert last.is_file(), output
    done = torch.load(last, weights_only=False)["global_step"]
    assert 1 <= done < 300
    # The same schedule, cut short behind the present epoch to keep the test quick.
    short = tiny_experiment(
        root, log_every=1, checkpoint_every=1, epochs=done // 100 + 1, pairs_per_epoch=400
    )
    run(short, tmp_path / "run", resume=True)
    steps = [step for step, _ in losses(tmp_path / "run")]
    assert steps == list(range(100 * (done // 100 + 1)))


def test_a_run_shorter_than_the_logs_interval_leaves_metrics(root: Path, tmp_path: Path) -> None:
    config = tiny_experiment(root, epochs=1, pairs_per_epoch=8, log_every=50)
    out = tmp_path / "run"
    heard: list[str] = []
    run(config, out, notify=heard.append)
    assert heard[0].startswith("learning rate 0.003 with 4 pairs a step (batch 4 x 1 processes")
    assert (out / "curves.png").stat().st_size > 1000
    rows = [line.split(",") for line in (out / "metrics.csv").read_text().splitlines()[1:]]
    assert {row[0] for row in rows} == {"1"} and "train/total" in {row[1] for row in rows}
    from rgbt_track.training.fit import steps_in_run

    accumulated = dataclasses.replace(config.training, pairs_per_epoch=20, accumulate=2, epochs=3)
    assert steps_in_run(accumulated, 1) == 9 and steps_in_run(accumulated, 2) == 3


@pytest.mark.slow
def test_two_processes_train_like_one_with_the_same_effective_batch(
    root: Path, tmp_path: Path
) -> None:
    """Gloo on the CPU; batch norms frozen, as their statistics are each process's own."""
    from safetensors.torch import load_file

    settings = {"log_every": 1, "freeze_batch_norm": True, "epochs": 1, "pairs_per_epoch": 24}
    (tmp_path / "two").mkdir()
    process = child(tiny_experiment(root, batch=4, **settings), tmp_path / "two", devices=2)
    output = process.communicate(timeout=240)[0]
    assert process.returncode == 0, output
    one = run(tiny_experiment(root, batch=8, **settings), tmp_path / "one")
    two = load_file(tmp_path / "two" / "run" / "weights.safetensors")
    assert same(one, two, 2e-5)
    ranks = [torch.load(tmp_path / "two" / f"run-rank{rank}.pt") for rank in range(2)]
    assert len(ranks[0]) > 10 and ranks[0].keys() == ranks[1].keys()
    assert all(torch.equal(ranks[0][name], ranks[1][name]) for name in ranks[0])
    pairs = zip(losses(tmp_path / "one"), losses(tmp_path / "two" / "run"), strict=True)
    for (step, loss), (other_step, other) in pairs:
        assert step == other_step
        assert loss == pytest.approx(other, rel=1e-4)


def test_ranks_share_each_step_of_one_process() -> None:
    one = list(PairBatches(26, 8))
    ranks = [list(PairBatches(26, 4, rank, 2)) for rank in range(2)]
    assert len(one) == 3
    assert [a + b for a, b in zip(*ranks, strict=True)] == one
    resumed = PairBatches(26, 8)
    resumed.epoch, resumed.start = 5, 2
    assert list(resumed) == [[(5, index) for index in range(16, 24)]]
    with pytest.raises(ValueError, match="less than one step of batch 8 on 4 processes"):
        PairBatches(26, 8, 0, 4)


def test_validation_keeps_the_best_checkpoints(root: Path, tmp_path: Path) -> None:
    validation = [{"dataset": "plain", "sequences": ["walk_0"]}]
    sources = [{"dataset": "plain", "exclude": ["walk_0"]}]
    config = tiny_experiment(root, validation=validation, sources=sources, epochs=3, keep_best=2)
    run(config, tmp_path)
    best = sorted(path.name for path in (tmp_path / "checkpoints").glob("best-*.ckpt"))
    assert len(best) == 2
    metrics = read_metrics(tmp_path / "metrics.csv")
    scores = [score for _, score in metrics["val/ao"]]
    assert len(scores) == 3 and all(0 <= score <= 1 for score in scores)
    assert metrics["val/walk_0"] == metrics["val/ao"]
    assert (tmp_path / "best.safetensors").is_file()
    kept = sorted(float(name.rsplit("-", 1)[1].removesuffix(".ckpt")) for name in best)
    assert kept == pytest.approx(sorted(scores)[1:], abs=1e-4)


def changed(before: dict, after: dict, prefix: str) -> bool:
    keys = [key for key in before if key.startswith(prefix)]
    assert keys
    return any(not torch.equal(before[key], after[key]) for key in keys)


@pytest.mark.parametrize(
    "stage, learning",
    [
        ("branches", ("backbone.", "neck.", "rpn_head.")),
        ("fusion", ("fusion.", "fused_rpn_head.")),
        ("all", ("backbone.", "neck.", "rpn_head.", "fusion.", "fused_rpn_head.")),
    ],
)
def test_a_stage_changes_its_parts_and_nothing_else(
    root: Path, tmp_path: Path, stage: str, learning: tuple[str, ...]
) -> None:
    config = tiny_experiment(root, stage=stage, epochs=1)
    before = build_network(config.model, seed=3).state_dict()
    after = run(config, tmp_path)
    for part in ("backbone.", "neck.", "rpn_head.", "fusion.", "fused_rpn_head."):
        assert changed(before, after, part) == (part in learning), part


def test_the_next_stage_starts_from_the_weights_of_the_last(root: Path, tmp_path: Path) -> None:
    first = run(tiny_experiment(root, stage="branches", epochs=1), tmp_path / "a")
    start = str(tmp_path / "a" / "weights.safetensors")
    config = tiny_experiment(root, stage="fusion", epochs=1, init_weights=start)
    second = run(config, tmp_path / "b")
    assert not changed(first, second, "backbone.")
    assert changed(first, second, "fused_rpn_head.")
    other = dataclasses.replace(config, model=dataclasses.replace(config.model, fusion="concat"))
    third = run(other, tmp_path / "c")
    assert not changed(first, {**first, **third}, "rpn_head.")
    assert {key for key in third if key.startswith("fusion.")} != {
        key for key in first if key.startswith("fusion.")
    }


def test_fusions_can_be_compared_from_the_same_start(root: Path, tmp_path: Path) -> None:
    """With ``init_fusion_anew`` only the branches come from the file, whatever else fits."""
    run(tiny_experiment(root, stage="all", epochs=1), tmp_path)
    weights = str(tmp_path / "weights.safetensors")
    parts = ("fusion.", "fused_rpn_head.")
    for anew in (False, True):
        config = tiny_experiment(root, init_weights=weights, stage="fusion", init_fusion_anew=anew)
        fresh, network = (build_network(config.model, seed=9) for _ in range(2))
        load_start(network, config.training)
        started = {part: changed(fresh.state_dict(), network.state_dict(), part) for part in parts}
        assert set(started.values()) == {not anew}
        assert changed(fresh.state_dict(), network.state_dict(), "backbone.")


def test_stages_refuse_a_start_that_makes_no_sense(root: Path) -> None:
    with pytest.raises(ValueError, match="init_fusion_anew is for stage fusion"):
        tiny_experiment(root, init_fusion_anew=True, init_weights="x.safetensors")
    with pytest.raises(ValueError, match="stage fusion learns no branch"):
        tiny_experiment(root, stage="fusion", init_backbone="IMAGENET1K_V2")


def test_weights_of_other_branches_are_refused(root: Path, tmp_path: Path) -> None:
    run(tiny_experiment(root, stage="branches", epochs=1), tmp_path / "a")
    start = str(tmp_path / "a" / "weights.safetensors")
    config = wider(tiny_experiment(root, stage="fusion", epochs=1, init_weights=start))
    with pytest.raises(ValueError, match=r"of another network: .*wrong shape backbone"):
        run(config, tmp_path / "b")


def test_the_backbone_joins_when_its_time_has_come(root: Path, tmp_path: Path) -> None:
    optimizer = {"name": "adamw", "lr": 0.003, "warmup_epochs": 0.0, "frozen_backbone_epochs": 1}
    config = tiny_experiment(root, epochs=1, optimizer=optimizer)
    before = build_network(config.model, seed=3).state_dict()
    early = run(config, tmp_path / "early")
    assert not changed(before, early, "backbone.")  # its batch norms do not move either
    late = run(tiny_experiment(root, epochs=2, optimizer=optimizer), tmp_path / "late")
    assert changed(before, late, "backbone.")


def test_averaged_weights_differ_from_the_last_ones(
    root: Path, whole: tuple[Path, dict], tmp_path: Path
) -> None:
    averaged = run(tiny_experiment(root, log_every=1, average=0.5), tmp_path)
    assert losses(tmp_path) == losses(whole[0])
    assert not same(averaged, whole[1])


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "bf16-mixed", "channels_last": True},
        {"accumulate": 2, "optimizer": {"name": "sgd", "lr": 0.01, "clip": 1.0}},
        {"loss": {"iou": 1.0, "regression": "smooth_l1", "feature_levels": [0, 0, 0]}},
    ],
)
def test_other_settings_train_too(root: Path, tmp_path: Path, settings: dict) -> None:
    config = tiny_experiment(root, epochs=1, log_every=1, **settings)
    before = build_network(config.model, seed=3).state_dict()
    after = run(config, tmp_path)
    assert changed(before, after, "backbone.")
    assert all(loss < 100 for _, loss in losses(tmp_path)) and losses(tmp_path)


@pytest.mark.slow
def test_eight_pairs_are_learned_by_heart(root: Path) -> None:
    """Loss down and overlap above 0.8 on the pairs themselves, for every branch."""
    augment = {"search_shift": 16, "black": 0, "frozen": 0, "noisy": 0}
    config = wider(tiny_experiment(root, negative=0.0, augment=augment))
    overlaps = learn_by_heart(config, steps=120)
    assert min(overlaps.values()) > 0.8, overlaps


@pytest.mark.slow
@pytest.mark.data
def test_eight_real_pairs_are_learned_by_heart() -> None:
    """On real visible and thermal video; the fused branch, as the others may be blind in smoke."""
    folder = os.environ.get("RGBT_TRACK_DATA")
    if not folder:
        pytest.skip("RGBT_TRACK_DATA does not name a folder of real material")
    source = {"dataset": "plain", "folder": "rgbt"}
    augment = {"search_shift": 16, "black": 0, "frozen": 0, "noisy": 0}
    config = tiny_experiment(Path(folder), negative=0.0, augment=augment, sources=[source])
    overlaps = learn_by_heart(wider(config), steps=150)
    assert overlaps["fused"] > 0.8, overlaps


def wider(config: Config) -> Config:
    model = dataclasses.replace(
        config.model,
        backbone_args={"widths": [16, 24, 32], "blocks": [2]},
        neck_channels=32,
        head_channels=32,
    )
    return dataclasses.replace(config, model=model)


def learn_by_heart(config: Config, steps: int) -> dict[str, float]:
    """Train on the first eight pairs alone -> overlap per branch on them."""
    from torch.utils.data import default_collate

    from rgbt_track.pairs.sources import pair_dataset
    from rgbt_track.training.module import TrackingModule

    module, dataset = TrackingModule(config), pair_dataset(config)
    batch = default_collate([dataset[0, index] for index in range(8)])
    optimizer = torch.optim.AdamW(module.network.parameters(), lr=0.005)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
    sides = {
        side: {name: crop.float() for name, crop in batch[side].items()}
        for side in ("template", "search")
    }
    for _ in range(steps):
        output = module.network(sides["template"], sides["search"])
        optimizer.zero_grad()
        module.criterion(output, batch)["total"].backward()
        optimizer.step()
        schedule.step()
    return {name: value.item() for name, value in module.criterion.overlaps(output, batch).items()}


# --- what users get wrong -----------------------------------------------------------------------


def test_an_experiment_with_settings_changed(tmp_path: Path) -> None:
    config = load_experiment("lrrtrack_lite", ["training.batch=7", "model.fusion=mean", "note=hi"])
    assert (config.training.batch, config.model.fusion, config.note) == (7, "mean", "hi")
    for setting, message in {
        "training.bacth=7": "unknown key 'bacth', did you mean 'batch'",
        "training.batch": "is no setting; expected key.key=value",
        "training.batch=many": "training: batch is 'many'; expected int",
        "model.neck_channels.x=1": "neck_channels is not a section",
        "training.batch=[": "not a YAML value",
        "training.stage=both": "stage is 'both'; valid: branches, fusion, all",
    }.items():
        with pytest.raises(ValueError, match=message):
            load_experiment("lrrtrack_lite", [setting])


def test_a_backbone_starts_from_torchvisions_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[object] = []
    monkeypatch.setattr(ResNet50, "init_from_torchvision", lambda self, name: names.append(name))

    def start(pixels: str, backbone: str = "resnet50", **training: object) -> None:
        settings = [f"training.{key}={value}" for key, value in training.items()]
        name = "lrrtrack_lite" if backbone == "lite" else "lrrtrack_r50"
        config = load_experiment(name, [f"model.pixels={pixels}", *settings])
        load_start(build_network(config.model, seed=0), config.training)

    start("imagenet", init_backbone="IMAGENET1K_V2")
    assert names == ["IMAGENET1K_V2"]
    with pytest.raises(ValueError, match=r"expect model\.pixels=imagenet, not bgr255"):
        start("bgr255", init_backbone="IMAGENET1K_V2")
    with pytest.raises(ValueError, match="backbone=resnet50, not for TimmBackbone"):
        start("imagenet", "lite", init_backbone="IMAGENET1K_V2")
    with pytest.raises(ValueError, match="both set the backbone: give one"):
        start("imagenet", init_backbone="IMAGENET1K_V2", init_weights="x.safetensors")


def test_refused_before_anything_is_trained(root: Path, tmp_path: Path) -> None:
    def attempt(**training: object) -> None:
        run(tiny_experiment(root, **training), tmp_path / "run")

    with pytest.raises(ValueError, match=r"training\.sources is empty"):
        attempt(sources=[])
    with pytest.raises(FileNotFoundError, match="no such store"):
        attempt(sources=[{"lmdb": "none.lmdb"}])
    with pytest.raises(ValueError, match=r"no sequence fits 'run_\*'; there are walk_0"):
        attempt(sources=[{"dataset": "plain", "sequences": ["run_*"]}])
    with pytest.raises(ValueError, match="no sequence is left"):
        attempt(sources=[{"dataset": "plain", "exclude": ["*"]}])
    with pytest.raises(ValueError, match="either 'lmdb' or 'dataset'"):
        attempt(sources=[{}])
    with pytest.raises(ValueError, match="2 validation sequences are trained on, 'walk_0' the"):
        attempt(validation=[{"dataset": "plain", "exclude": ["walk_1"]}])
    with pytest.raises(ValueError, match="validation needs whole frames"):
        attempt(validation=[{"lmdb": "a.lmdb"}])
    with pytest.raises(ValueError, match="less than one step"):
        attempt(pairs_per_epoch=3)
    with pytest.raises(FileNotFoundError, match="no such weights file"):
        attempt(init_weights="none.safetensors")
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_sequences_are_left_out_by_their_names_alone() -> None:
    names = [f"sequence_{number}" for number in range(400)]
    trained = select_names(names, SourceConfig(lmdb="a", leave_out=10))
    validated = select_names(names, SourceConfig(lmdb="a", left_out=10))
    assert sorted(trained + validated) == list(range(400)) and 20 < len(validated) < 60
    some = names[::3]
    again = select_names(some, SourceConfig(lmdb="a", left_out=10))
    assert {some[index] for index in again} == {names[i] for i in validated} & set(some)


def test_a_stage_without_its_branch_is_refused(root: Path, tmp_path: Path) -> None:
    config = tiny_experiment(root, stage="fusion")
    model = dataclasses.replace(config.model, branches=("rgb", "tir"))
    with pytest.raises(ValueError, match="stage 'fusion' trains the branches fused"):
        run(dataclasses.replace(config, model=model), tmp_path)


def test_a_resume_fits_the_run_or_is_refused(
    root: Path, whole: tuple[Path, dict], tmp_path: Path
) -> None:
    config = tiny_experiment(root)
    other = dataclasses.replace(config, model=dataclasses.replace(config.model, fusion="mean"))
    with pytest.raises(ValueError, match=r"cannot resume: model\.fusion was 'llrr_light'"):
        run(other, whole[0], resume=True)
    with pytest.raises(FileExistsError, match="holds a run already: continue it with --resume"):
        run(config, whole[0])
    with pytest.raises(FileNotFoundError, match="no checkpoint to resume from"):
        run(config, tmp_path, resume=True)


def test_a_damaged_checkpoint_is_one_line(root: Path, tmp_path: Path) -> None:
    config = tiny_experiment(root, epochs=1)
    run(config, tmp_path)
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged checkpoint"):
        run(config, tmp_path, resume=True)


def test_import_stays_light() -> None:
    code = (
        "import sys, rgbt_track.config.tracker, rgbt_track.tracking.tracker\n"
        "heavy = {'lightning', 'matplotlib', 'lmdb', 'tensorboard'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit to simulate a full disk")
def test_a_full_disk_leaves_the_last_checkpoint_as_it_was(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    from rgbt_track.training.callbacks import SaveLast

    save, before = SaveLast._save, resource.getrlimit(resource.RLIMIT_FSIZE)

    def save_then_fill(self: SaveLast, trainer) -> None:
        save(self, trainer)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))

    monkeypatch.setattr(SaveLast, "_save", save_then_fill)
    try:
        with pytest.raises(OSError):
            run(tiny_experiment(root, checkpoint_every=1, log_every=1), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 1
    monkeypatch.setattr(SaveLast, "_save", save)
    run(tiny_experiment(root, log_every=1), tmp_path, resume=True)
    assert [step for step, _ in losses(tmp_path)] == list(range(8))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("after", "number"), [(2, signal.SIGTERM), (3, signal.SIGINT)])
def test_a_signal_ends_a_run_with_a_checkpoint_of_the_step(
    root: Path,
    whole: tuple[Path, dict],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
    number: int,
) -> None:
    """In the middle of an epoch, and in its last step; ``checkpoint_every`` would save nothing."""
    config = tiny_experiment(root, log_every=1)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert stop_at(after, number, monkeypatch, config, tmp_path) == 128 + number
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == after + 1
    assert same(whole[1], run(config, tmp_path, resume=True))
    assert losses(tmp_path) == losses(whole[0])


def test_the_last_checkpoint_knows_the_best_ones(root: Path, tmp_path: Path) -> None:
    """Otherwise a resumed run takes the first network that it validates for the best."""
    validation = [{"dataset": "plain", "sequences": ["walk_0"]}]
    sources = [{"dataset": "plain", "exclude": ["walk_0"]}]
    run(tiny_experiment(root, validation=validation, sources=sources, keep_best=2), tmp_path)
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    known = next(state for state in last["callbacks"].values() if "best_k_models" in state)
    kept = sorted(path.name for path in (tmp_path / "checkpoints").glob("best-*.ckpt"))
    assert sorted(known["best_k_models"]) == kept and len(kept) == 2
    assert known["best_model_path"] in kept


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_run_whose_folder_was_moved_goes_on_as_it_was(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validation = [{"dataset": "plain", "sequences": ["walk_0"]}]
    sources = [{"dataset": "plain", "exclude": ["walk_0"]}]
    config = tiny_experiment(root, validation=validation, sources=sources, keep_best=2)
    whole, old, new = (tmp_path / name for name in ("whole", "old", "new"))
    weights = run(config, whole)
    stop_at(5, signal.SIGTERM, monkeypatch, config, old)  # in the second of two epochs
    assert str(old).encode() not in (old / "checkpoints" / "last.ckpt").read_bytes()
    old.rename(new)
    assert same(weights, run(config, new, resume=True))
    for name in ("best.safetensors", "weights.safetensors"):
        assert (new / name).read_bytes() == (whole / name).read_bytes()
    kept = [sorted(path.name for path in out.glob("checkpoints/*")) for out in (whole, new)]
    assert kept[0] == kept[1] and len(kept[0]) == 3


def test_a_best_checkpoint_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    from rgbt_track.training.callbacks import SaveBest

    for name in ("a.ckpt", "b.ckpt"):
        (tmp_path / name).touch()
    scores = {
        f"/elsewhere/{name}.ckpt": torch.tensor(value)
        for name, value in (("a", 0.4), ("b", 0.6), ("gone", 0.9))
    }
    state = SaveBest(tmp_path, monitor="val/ao", mode="max", save_top_k=3).state_dict()
    state |= {"best_k_models": scores, "best_model_path": "/elsewhere/gone.ckpt"}
    best = SaveBest(tmp_path, monitor="val/ao", mode="max", save_top_k=3)
    best.load_state_dict(state)
    assert best.best_model_path == str(tmp_path / "b.ckpt") and best.best_model_score == 0.6
    assert best.kth_best_model_path == str(tmp_path / "a.ckpt") and len(best.best_k_models) == 2
    best.load_state_dict({**state, "best_k_models": {}})
    assert best.best_model_path == "" and best.best_k_models == {}


@pytest.mark.skipif(sys.platform == "win32", reason="SLURM and its signals are of Unix")
def test_a_job_at_its_time_limit_is_requeued_and_goes_on(
    root: Path, whole: tuple[Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SLURM sends SIGUSR1 some time before it ends the job, and starts it again when asked to."""
    from rgbt_track.training.run_folder import was_requeued

    program = tmp_path / "bin" / "scontrol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "calls.txt"}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    slurm = {"JOB_ID": "7", "JOB_NAME": "small", "NTASKS": "1", "RESTART_COUNT": "0"}
    for name, value in {**slurm, "PROCID": "0", "LOCALID": "0", "NODEID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    config, out = tiny_experiment(root, log_every=1), tmp_path / "run"
    assert stop_at(2, signal.SIGUSR1, monkeypatch, config, out) == 128 + signal.SIGTERM
    assert (tmp_path / "calls.txt").read_text() == "requeue 7\n"
    last = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 3
    assert list(out.rglob("*.ckpt")) == [out / "checkpoints" / "last.ckpt"]
    assert not was_requeued(out)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert same(whole[1], run(config, out, resume=was_requeued(out)))
    assert losses(out) == losses(whole[0])


@pytest.fixture(name="command")
def _command(request: pytest.FixtureRequest) -> Run:
    """The fixture ``run``, whose name this module has for a function."""
    command: Run = request.getfixturevalue("run")
    return command


def test_a_resumed_run_keeps_its_settings_and_names_every_change(
    root: Path, tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = tmp_path / "tiny.yaml", tmp_path / "run"
    file.write_text(yaml.safe_dump(to_mapping(tiny_experiment(root))))
    options = ("--out", out, "--accelerator", "cpu")
    assert command("train", file, "training.epochs=1", "training.batch=8", *options)[0] == 0
    code, _, err = command("train", file, "training.epochs=2", *options, "--resume")
    assert code == 0
    assert "changed: training.epochs was 1 in this run, from now on 2" in err
    assert err.count("changed: ") == 1
    stored = yaml.safe_load((out / "config.yaml").read_text())["training"]
    assert (stored["epochs"], stored["batch"]) == (2, 8)
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump({**to_mapping(tiny_experiment(root)), "name": "other"}))
    code, _, err = command("train", other, *options, "--resume")
    assert code == 1 and "holds a run of tiny, not of other; give another --out" in err
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    code, _, err = command("train", file, *options)
    assert code == 0 and "changed" not in err, "a job that SLURM has requeued goes on by itself"
