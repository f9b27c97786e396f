"""Image-fusion networks by name, and their weights in and out.

A weights file is a safetensors file that carries the network's name and arguments, so that it says
itself what it belongs to; the LRRNet authors' published file is recognised by its names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fusion_modules.image import IMAGE_NETWORKS, ImageFusion, LRRNet
from fusion_modules.image.official_weights import is_official
from rgbt_track.models.build import seeded
from rgbt_track.models.state_dict import fit_state, read_metadata, read_state, write_state
from rgbt_track.resources import WEIGHTS, check_choice

METADATA = "image_fusion"


def build_image_network(name: str, arguments: dict[str, Any], seed: int | None = 0) -> ImageFusion:
    """A network of ``IMAGE_NETWORKS`` with random weights, reproducible unless ``seed`` is None.

    Raises ``ValueError`` for a name or an argument that there is not.
    """
    check_choice("unknown image network", name, IMAGE_NETWORKS)
    with seeded(seed):
        try:
            return IMAGE_NETWORKS[name](**arguments)
        except TypeError as error:
            raise ValueError(f"image network {name!r}: {error}") from None


def save_image_weights(
    path: str | Path, network: ImageFusion, name: str, arguments: dict[str, Any]
) -> None:
    """Write the weights with name and arguments as one safetensors file, whole or not at all."""
    path = Path(path)
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    described = json.dumps({"name": name, "arguments": arguments})
    write_state(path, state, {METADATA: described})


def load_image_network(weights: str | Path) -> ImageFusion:
    """The network of a weights file, in eval mode: ours, or the authors' file of LRRNet.

    Raises ``FileNotFoundError``, and ``ValueError`` in one line for a file that is damaged, of
    another kind, or does not fit its own description.
    """
    path = Path(weights)
    if path.suffix == ".safetensors":
        network = _described(path)
        fit_state(network, read_state(path), path)
        return network.eval()
    if is_official(read_state(path)):
        return LRRNet.from_official(path)
    raise ValueError(
        f"{path}: not the weights of an image-fusion network; expected a .safetensors file of "
        "`rgbt-track train` or LRRNet's published file"
    )


def _described(path: Path) -> ImageFusion:
    described = read_metadata(path).get(METADATA)
    if described is None:
        raise ValueError(
            f"{path}: not the weights of an image-fusion network (a tracker's?); "
            "expected those of `rgbt-track train` with an image-fusion experiment"
        )
    values = json.loads(described)
    return build_image_network(values["name"], values["arguments"])


def default_weights() -> Path:
    """The shipped weights; ``ValueError`` where there are none."""
    shipped = WEIGHTS / "lrrnet.safetensors"
    if not shipped.is_file():
        raise ValueError("no image-fusion weights are installed: give --weights FILE")
    return shipped
