"""Variants of an image-fusion network, trained and scored alike (LRRNet's Tables 3 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from rgbt_track.config.image_fusion import PairSourceConfig, load_image_experiment
from rgbt_track.config.run_files import WEIGHTS
from rgbt_track.image_fusion.fuser import Fuser
from rgbt_track.image_fusion.metric_table import MetricTable
from rgbt_track.image_fusion.training.data import find_pairs
from rgbt_track.image_fusion.training.run import train_image_fusion
from rgbt_track.io.images import read_rgb, read_tir
from rgbt_track.models.image_networks import load_image_network
from rgbt_track.resources import check_choice, folder
from rgbt_track.training.fit import Run

_SHIPPED = "lrrnet_ablations"


def find_variants(experiments: Path | None, names: Sequence[str]) -> dict[str, Path]:
    """Name -> YAML of a folder's experiments, or of the shipped ablations; all without ``names``.

    Raises ``FileNotFoundError`` for a folder without any, ``ValueError`` for an unknown name.
    """
    path = experiments or folder("experiments") / _SHIPPED
    variants = {path.stem: path for path in sorted(path.glob("*.yaml"))}
    if not variants:
        raise FileNotFoundError(f"{path}: no experiments (*.yaml) there")
    for name in names:
        check_choice("no variant", name, variants)
    return {name: path for name, path in variants.items() if not names or name in names}


def vary(variants: dict[str, Path], settings: Sequence[str]) -> dict[str, tuple[Path, list[str]]]:
    """Every variant with every combination of ``key=value,value,...`` settings, by a name of both.

    Without settings the variants as they are. ``ValueError`` for a setting of another form.
    """
    axes = []
    for setting in settings:
        key, equals, values = setting.partition("=")
        if not (key and equals and all(values.split(","))):
            raise ValueError(f"--vary is {setting!r}; expected key.key=value,value,...")
        axes.append([f"{key}={value}" for value in values.split(",")])
    varied = {}
    for name, path in variants.items():
        for chosen in product(*axes):
            short = [setting.rpartition(".")[2].replace("=", "_") for setting in chosen]
            varied["-".join([name, *short])] = (path, list(chosen))
    return varied


def train_variant(
    path: Path, pairs: Path, out: Path, settings: Sequence[str], accelerator: str = "auto"
) -> Path:
    """The weights of a variant trained on ``pairs``, trained or resumed only as far as needed.

    Args:
        path: the variant's YAML.
        pairs: folder with ``color/`` and ``ir/``.
        out: the run's folder.
        settings: further settings, as key.key=value.
        accelerator: Lightning's.
    """
    weights = out / WEIGHTS
    if weights.is_file():
        return weights
    settings = [f"training.root={pairs}", "training.sources=[{dataset: pairs}]", *settings]
    experiment = load_image_experiment(path, settings)
    resume = Run(out).last.is_file()
    return train_image_fusion(experiment, out, resume=resume, devices=1, accelerator=accelerator)


def score_network(weights: Path, pairs: Path, limit: int = 0) -> dict[str, float]:
    """Mean metrics of a network over a folder of pairs, or its first ``limit``."""
    fuser = Fuser(load_image_network(weights), color=False)
    table = MetricTable()
    for rgb, tir in find_pairs((PairSourceConfig(),), str(pairs))[: limit or None]:
        fused = fuser.fuse(read_rgb(rgb), read_tir(tir))
        table.add_pair(str(rgb), fused.gray, fused.visible, fused.infrared)
    return table.mean()
