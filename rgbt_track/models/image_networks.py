"""Image-fusion networks by name; saving and loading their weights.

A weights file is a safetensors file with the network's name and arguments in its metadata, so that
it can be loaded without an experiment. The LRRNet authors' published file is recognized by the
names of its tensors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fusion_modules.image import IMAGE_NETWORKS, ImageFusion, LRRNet
from fusion_modules.image.official_weights import is_official
from rgbt_track.config.bounds import check_arguments
from rgbt_track.config.image_fusion import ImageExperiment
from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.run_files import CHECKPOINT_SUFFIX
from rgbt_track.config.yaml_files import parse_json
from rgbt_track.models.seeding import seeded
from rgbt_track.models.state_dict import (
    fit_state,
    read_checkpoint,
    read_metadata,
    read_state,
    write_state,
)
from rgbt_track.resources import WEIGHTS, check_choice

METADATA = "image_fusion"
DEFAULT = "lrrnet"


def build_image_network(name: str, arguments: dict[str, Any], seed: int | None = 0) -> ImageFusion:
    """A network of ``IMAGE_NETWORKS`` with random weights, reproducible unless ``seed`` is None.

    Raises ``ValueError`` for an unknown name or argument.
    """
    check_choice("unknown image network", name, IMAGE_NETWORKS)
    check_arguments(f"image network {name!r}", arguments)
    with seeded(seed):
        try:
            return IMAGE_NETWORKS[name](**arguments)
        except TypeError as error:
            raise ValueError(f"image network {name!r}: {error}") from None


def save_image_weights(
    path: str | Path, network: ImageFusion, name: str, arguments: dict[str, Any]
) -> None:
    """Write the weights with name and arguments as one safetensors file, whole or not at all.

    Args:
        path: the file.
        network: whose weights.
        name: the network's name in ``IMAGE_NETWORKS``.
        arguments: those it was built with.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    description = json.dumps({"name": name, "arguments": arguments})
    write_state(Path(path), state, {METADATA: description})


def load_image_network(weights: str | Path) -> ImageFusion:
    """The network of a weights file, in eval mode: ours, a checkpoint, or LRRNet's authors' file.

    Raises ``FileNotFoundError``, and ``ValueError`` in one line for a file that is damaged, of
    another kind, or does not fit its own metadata.
    """
    path = Path(weights)
    if path.suffix == ".safetensors":
        description = read_metadata(path).get(METADATA)
        if description is None:
            raise ValueError(
                f"{path}: not the weights of an image-fusion network (a tracker's?); "
                "expected those of `rgbt-track train` with an image-fusion experiment"
            )
        network = _described_network(description, path)
        fit_state(network, read_state(path), path)
        return network.eval()
    if path.suffix == CHECKPOINT_SUFFIX:
        return _checkpoint_network(path)
    if is_official(read_state(path)):
        network = LRRNet.from_official(path)
        fit_state(network, network.state_dict(), path)  # refuses NaN
        return network
    raise ValueError(
        f"{path}: not the weights of an image-fusion network; expected a .safetensors file of "
        "`rgbt-track train` or LRRNet's published file"
    )


def _checkpoint_network(path: Path) -> ImageFusion:
    """The network of a checkpoint that a training of ours has written."""
    values = read_checkpoint(path).get("config")
    if not isinstance(values, dict) or values.get("task") != "image_fusion":
        raise ValueError(f"{path}: not a checkpoint of an image-fusion network's training")
    experiment = from_mapping(ImageExperiment, values, str(path))
    network = build_image_network(experiment.network.name, experiment.network.args)
    fit_state(network, read_state(path), path)
    return network.eval()


def _described_network(description: str, path: Path) -> ImageFusion:
    """The network that a file's metadata describes; ``ValueError`` where that is damaged."""
    values = parse_json(description, f"{path}: its description of the network")
    if not isinstance(values, dict) or not isinstance(values.get("arguments"), dict):
        raise ValueError(f"{path}: its description of the network is damaged; train it again")
    try:
        return build_image_network(str(values.get("name")), values["arguments"])
    except (ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise ValueError(f"{path}: its network cannot be built: {error}") from None


def shipped_image_weights(name: str = DEFAULT) -> Path:
    """The shipped weights of a network of ``IMAGE_NETWORKS``.

    ``ValueError`` says which networks have some.
    """
    check_choice("no image-fusion weights are shipped for", name, shipped_networks())
    return WEIGHTS / f"{name}.safetensors"


def shipped_networks() -> list[str]:
    """The networks of ``IMAGE_NETWORKS`` whose weights are shipped."""
    return [name for name in IMAGE_NETWORKS if (WEIGHTS / f"{name}.safetensors").is_file()]


def find_image_weights(name: str) -> Path:
    """The weights file for a shipped network's name, or for the path of a file.

    Raises ``FileNotFoundError`` for a path where there is none, and as ``shipped_image_weights``.
    """
    path = Path(name)
    if path.suffix == "" and not path.is_file():
        return shipped_image_weights(name)
    if not path.is_file():
        raise FileNotFoundError(f"no such weights file: {path}")
    return path
