"""Loading a tracker by name: configuration, network, weights."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from rgbt_track.config.experiments import find_experiment
from rgbt_track.config.parsing import read_yaml
from rgbt_track.config.tracker import Config, load_config
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import check_weights_config, load_weights
from rgbt_track.models.engines.create import choose_engine, create_engine
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.models.pysot import is_pysot_config, load_pysot_config
from rgbt_track.resources import WEIGHTS
from rgbt_track.tracking.tracker import Tracker


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
    """Load a tracker by the name of a shipped configuration or the path of a YAML file.

    Args:
        name: for instance ``"lrrtrack_lite"``, or an experiment's (or pysot's) YAML file.
        device: a ``torch`` device name.
        weights: safetensors, or a pysot checkpoint of SiamRPN++ ResNet-50. Without it the
            configuration's own weights are taken.
        engine: what runs the network: "torch", "openvino", "onnxruntime", or "auto", which is
            OpenVINO where it is installed and gains (``models/engines/create.py``), else torch.
        precision: "fp32", or "bf16" (torch and OpenVINO).

    Raises:
        FileNotFoundError: unknown name, or no such file.
        ModuleNotFoundError: an engine that is not installed.
        ValueError: a setting, a weights file, an engine or a device that does not fit, named.

    Warns ``UntrainedWarning`` when there are no weights for a network that needs them.
    """
    torch_device = check_device(device)
    config = read_config(name)
    engine = choose_engine(engine, precision, torch_device, is_learned=config.model.is_learned)
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
            stacklevel=2,
        )
    network = prepare_for_inference(network)
    return Tracker(create_engine(network, config, torch_device, engine, precision), config)


def read_config(name: str | Path) -> Config:
    """The configuration of a shipped name or a YAML file, ours or pysot's."""
    path = find_experiment(name, "tracking")
    if is_pysot_config(read_yaml(path)):
        return load_pysot_config(path)
    return load_config(path)


def own_weights(config: Config, name: str | Path) -> Path | None:
    """The weights file that a configuration names: shipped, or beside its YAML; ``None`` if none.

    A shipped configuration that names nothing takes ``weights/<name>.safetensors`` if it exists.
    """
    if config.weights is None:
        shipped = WEIGHTS / f"{config.name}.safetensors"
        return shipped if shipped.is_file() else None
    for folder in (find_experiment(name, "tracking").parent, WEIGHTS):
        if (folder / config.weights).is_file():
            return folder / config.weights
    raise FileNotFoundError(f"{name}: no such weights file: {config.weights}")


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
