"""A training step: pairs per second, peak memory, and where the step's time goes.

    python benchmarks/train_step.py lrrtrack_r50 [key=value ...] [--device cuda] [--steps 5]
    python benchmarks/train_step.py lrrtrack_small training.batch=8 --variants --steps 3

Pairs come from synthetic sequences packed into an LMDB file, through the loader of the training
(``training.workers``), so that reading and augmentation are included. Steps are forward, losses,
backward and the optimizer's, in ``training.precision``; the first one, which warms up, is not
counted. A step's time is shared out to waiting for data, the backbone's forward pass, and the rest:
neck, fusion, heads, losses, the backward pass and the optimizer. --variants repeats that in other
settings, one after the other: fp32, bf16, channels_last, and where the backbone is frozen at the
start, OpenVINO for it.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from rgbt_track.config.pairs import SourceConfig
from rgbt_track.config.tracker import Config, load_experiment
from rgbt_track.data import open_dataset
from rgbt_track.pairs.lmdb_pack import pack_lmdb
from rgbt_track.pairs.sampler import PairBatches
from rgbt_track.pairs.sources import pair_dataset
from rgbt_track.synthetic.dataset import synthesize_sequences
from rgbt_track.training.datamodule import PairLoader
from rgbt_track.training.module import TrackingModule

_AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("experiment")
    parser.add_argument("settings", nargs="*")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--variants", action="store_true", help="other precisions and engines, too")
    arguments = parser.parse_args()
    config = load_experiment(arguments.experiment, arguments.settings)
    device = torch.device(arguments.device)
    with tempfile.TemporaryDirectory() as folder:
        config = with_synthetic_source(config, Path(folder))
        for one in variants(config, device) if arguments.variants else [config]:
            training = one.training
            order = PairBatches((arguments.steps + 1) * training.batch, training.batch)
            loader = PairLoader(pair_dataset(one), order, training.workers, lambda: (0, 0))
            measure(one, iter(loader), device, arguments.steps)


def variants(config: Config, device: torch.device) -> list[Config]:
    """The experiment in fp32, then with bf16, channels_last and OpenVINO added one by one."""
    settings = [
        {"precision": "32-true", "channels_last": False, "frozen_engine": "torch"},
        {"precision": "bf16-mixed", "channels_last": False, "frozen_engine": "torch"},
        {"precision": "bf16-mixed", "channels_last": True, "frozen_engine": "torch"},
    ]
    if device.type == "cpu" and config.training.optimizer.frozen_backbone_epochs:
        settings.append({**settings[-1], "frozen_engine": "openvino"})
    return [
        dataclasses.replace(config, training=dataclasses.replace(config.training, **values))
        for values in settings
    ]


def with_synthetic_source(config: Config, folder: Path) -> Config:
    """The experiment with synthetic sequences, made in ``folder``, as its only source.

    What needs sources of another kind, objects to paste, is off.
    """
    synthesize_sequences(folder / "scenes", count=4, frames=12)
    packed = folder / "scenes.lmdb"
    pack_lmdb(open_dataset("plain", folder / "scenes"), packed, config.training.store)
    source = SourceConfig(lmdb=str(packed))
    training = dataclasses.replace(
        config.training, root=".", sources=(source,), paste_objects=0.0, distractors=0.0
    )
    return dataclasses.replace(config, training=training)


class Timer:
    """Sums the time inside a function that it replaces."""

    def __init__(self, function: Callable[..., Any], device: torch.device) -> None:
        self.function, self.device, self.seconds = function, device, 0.0

    def __call__(self, *arguments: Any) -> Any:
        synchronize(self.device)
        start = time.perf_counter()
        result = self.function(*arguments)
        synchronize(self.device)
        self.seconds += time.perf_counter() - start
        return result


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure(config: Config, batches: Iterator[Any], device: torch.device, steps: int) -> None:
    """Train for ``steps`` steps after one that warms up, and print the rates."""
    training = config.training
    module = TrackingModule(config).to(device)
    frozen = training.stage == "fusion" or training.optimizer.frozen_backbone_epochs > 0
    module.network.backbone.requires_grad_(not frozen)
    module.train()
    module.select_backbone_engine()
    backbone = Timer(module.network.backbone.forward, device)
    module.network.backbone.forward = backbone
    optimizer = module.configure_optimizers()
    dtype = _AUTOCAST.get(training.precision)
    waiting, began = 0.0, 0.0
    for step in range(steps + 1):
        if step == 1:
            waiting, backbone.seconds, began = 0.0, 0.0, time.perf_counter()
        start = time.perf_counter()
        batch = next(batches)
        waiting += time.perf_counter() - start
        batch = module.transfer_batch_to_device(batch, device, 0)
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            total = module.losses(batch)["total"]
        total.backward()
        optimizer.step()
        optimizer.zero_grad()
        synchronize(device)
    seconds = time.perf_counter() - began
    name = f"{device.type} ({torch.get_num_threads()} threads)"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    layout = "channels_last" if training.channels_last else "contiguous"
    engine = f"frozen, by {training.frozen_engine}" if frozen else "learning"
    shares = [100 * part / seconds for part in (waiting, backbone.seconds)]
    print(
        f"{config.name} on {name}: batch {training.batch}, {training.precision}, {layout}, "
        f"backbone {engine}, {steps} steps: {steps * training.batch / seconds:.2f} pairs/s, "
        f"{seconds / steps:.2f} s a step, peak memory {peak_bytes(device) / 1e9:.2f} GB; "
        f"waiting for data {shares[0]:.1f} % ({training.workers} workers), backbone forward "
        f"{shares[1]:.1f} %, rest {100 - sum(shares):.1f} %",
        flush=True,
    )


def peak_bytes(device: torch.device) -> float:
    """Peak memory: of the GPU's allocator, or of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
