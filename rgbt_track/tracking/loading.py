"""Loading a tracker by name: configuration, network, weights.

What needs torch is imported where it is used: an exported tracker starts without it, which is the
most of the time to the first box.
"""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rgbt_track.config.experiments import find_experiment, is_pysot_config
from rgbt_track.config.run_files import RUN_WEIGHTS, weights_file
from rgbt_track.config.tracker import Config, load_config
from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.models.engines.choice import choose_engine
from rgbt_track.models.engines.exported import graph_engine, is_export, read_export
from rgbt_track.models.engines.graph_cache import GraphCache
from rgbt_track.models.engines.graph_source import GraphSource, create_graph_engine
from rgbt_track.resources import WEIGHTS
from rgbt_track.tracking.tracker import Tracker

if TYPE_CHECKING:
    import torch

    from rgbt_track.models.network import RGBTNetwork


class UntrainedWarning(UserWarning):
    """The network has random weights: its boxes mean nothing."""


def load_tracker(
    name: str | Path,
    device: str | torch.device = "cpu",
    weights: str | Path | None = None,
    *,
    engine: str = "auto",
    precision: str = "fp32",
) -> Tracker:
    """Load a tracker by the name of a shipped configuration, or from files.

    Args:
        name: for instance ``"lrrtrack_lite"``; an experiment's (or pysot's) YAML file; what
            ``rgbt-track train`` wrote, a weights file, a checkpoint or the run's folder, of which
            the best weights are taken; or an exported folder.
        device: a ``torch`` device name.
        weights: safetensors, a checkpoint, or pysot's of SiamRPN++ ResNet-50. Without it the
            configuration's own weights are taken.
        engine: what runs the network: "torch", "openvino", "onnxruntime", or "auto", the fastest
            that is installed and fits (``models/engines/choice.py``); for an exported folder what
            its format is for.
        precision: "fp32", or "bf16" (torch and OpenVINO); an exported folder has its own.

    Raises:
        FileNotFoundError: unknown name, or no such file.
        ModuleNotFoundError: an engine that is not installed.
        ValueError: a setting, a weights file, an engine or a device that does not fit, named.

    Warns ``UntrainedWarning`` when there are no weights for a network that needs them.
    """
    device = device if str(device) == "cpu" else check_device(device)
    config = read_config(name)
    if is_export(name):
        export = read_export(name)
        if weights is not None or precision not in ("fp32", export.precision):
            raise ValueError(
                f"{name}: was exported with its weights, in {export.precision}: neither can be "
                "given; export it anew"
            )
        if export.format != "torch":
            return Tracker(graph_engine(export, engine, str(device)), config)
        engine, precision = export.choose_engine(engine), export.precision
    engine = choose_engine(engine, precision, device, is_learned=config.model.has_graphs)
    build = partial(_prepared_network, name, config, weights)
    if engine != "torch":
        cache = _graph_cache(name, config, weights)
        source = GraphSource(build, config.tracking.template_size, cache)
        if not source.is_known:
            source.build()  # now, for the errors in its weights
        return Tracker(create_graph_engine(source, config, engine, precision), config)
    from rgbt_track.models.engines.create import create_engine

    return Tracker(create_engine(build(), config, device, engine, precision), config)


def _graph_cache(name: str | Path, config: Config, weights: str | Path | None) -> GraphCache | None:
    """Where graphs of a network with weights are kept; ``None`` for one with random ones."""
    file = Path(weights) if weights is not None else own_weights(config, name)
    if file is None or not file.is_file():  # which is refused where the weights are read
        return None
    return GraphCache.of_network(config, file)


def _prepared_network(name: str | Path, config: Config, weights: str | Path | None) -> RGBTNetwork:
    from rgbt_track.models.inference import prepare_for_inference

    return prepare_for_inference(load_network(name, config, weights))


def load_network(
    name: str | Path, config: Config, weights: str | Path | None = None
) -> RGBTNetwork:
    """The network of a tracker with its weights, in training mode; arguments as ``is_untrained``.

    Without weights anywhere they are random, of seed 0; then warns ``UntrainedWarning``.
    """
    from rgbt_track.models.build import build_network
    from rgbt_track.models.checkpoint import check_weights_config, load_weights

    network = build_network(config.model, seed=0)
    file = Path(weights) if weights is not None else own_weights(config, name)
    if file is not None:
        check_weights_config(file, config.model)
        load_weights(network, file)
    elif is_untrained(config, name):
        warnings.warn(
            f"{config.name} has no trained weights here: its boxes are meaningless until you "
            "train it or give weights=FILE",
            UntrainedWarning,
            stacklevel=4,
        )
    return network


def read_config(name: str | Path) -> Config:
    """The configuration of what ``load_tracker`` can load.

    Weights and exports are data, which may come from anybody: ``ValueError`` for one that would
    have a class imported by a dotted path.
    """
    if is_export(name):
        export = read_export(name)
        if export.format == "torch":
            check_own_classes(export.config, name)
        return export.config
    if file := weights_file(name):
        from rgbt_track.models.checkpoint import read_weights_config

        return check_own_classes(read_weights_config(file), file)
    try:
        path = find_experiment(name, "tracking")
    except FileNotFoundError:
        if not name or not Path(name).is_dir():
            raise
        raise FileNotFoundError(
            f"{name}: neither an exported tracker nor the folder of a run with weights: none of "
            f"{', '.join(RUN_WEIGHTS)} in it"
        ) from None
    if is_pysot_config(read_yaml(path)):
        from rgbt_track.models.pysot import load_pysot_config

        return load_pysot_config(path)
    return load_config(path)


def check_own_classes(config: Config, where: str | Path) -> Config:
    """The configuration; ``ValueError`` if its network is made of others' classes than ours."""
    if ":" in config.model.fusion:
        raise ValueError(
            f"{where}: its fusion is the class {config.model.fusion!r}, and weights name no code: "
            "give the experiment's YAML as the tracker, and this file as its weights"
        )
    return config


def own_weights(config: Config, name: str | Path) -> Path | None:
    """The weights file that a configuration names: shipped, or beside its YAML; ``None`` if none.

    A weights file, a run's folder and an exported folder have their own. A shipped configuration
    that names nothing takes ``weights/<name>.safetensors`` if it exists.
    """
    if is_export(name):
        return read_export(name).weights
    if file := weights_file(name):
        return file
    if config.weights is None:
        shipped = WEIGHTS / f"{config.name}.safetensors"
        return shipped if shipped.is_file() else None
    for folder in (find_experiment(name, "tracking").parent, WEIGHTS):
        if (folder / config.weights).is_file():
            return folder / config.weights
    raise FileNotFoundError(f"{name}: no such weights file: {config.weights}")


def is_file_name(name: str | Path) -> bool:
    """Whether a tracker's name is a path, which another working folder would change."""
    is_yaml = Path(name).suffix in (".yaml", ".yml")
    return is_yaml or is_export(name) or weights_file(name) is not None


def is_untrained(config: Config, name: str | Path, weights: str | Path | None = None) -> bool:
    """Whether a tracker would have a learned network with random weights: its boxes mean nothing.

    Args:
        config: what ``read_config(name)`` gives.
        name: the tracker's name or YAML file.
        weights: the file given for it, if any.
    """
    return config.model.is_learned and weights is None and own_weights(config, name) is None


def check_device(device: str | torch.device) -> torch.device:
    """A usable ``torch`` device; ``ValueError`` names what this computer has."""
    import torch

    try:
        torch_device = torch.device(device)
    except RuntimeError:
        raise ValueError(f"unknown device {str(device)!r}; valid: cpu, cuda, cuda:0, mps") from None
    if torch_device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {str(device)!r} was asked for, but torch sees no GPU; use cpu")
    try:
        torch.zeros(1, device=torch_device).cpu()
    except (RuntimeError, AssertionError):  # what a backend says that torch was built without
        raise ValueError(
            f"device {str(device)!r} does not work on this computer; use cpu"
        ) from None
    return torch_device
