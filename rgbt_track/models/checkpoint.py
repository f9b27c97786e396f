"""Weights of a network in and out of files.

A weights file is a single safetensors file that carries its configuration as JSON, so that it says
itself what it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.run_files import CHECKPOINT_SUFFIX
from rgbt_track.config.tracker import Config, ModelConfig
from rgbt_track.config.yaml_files import parse_json
from rgbt_track.models.image_networks import METADATA
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.models.state_dict import (
    complete_pysot_state,
    fit_state,
    is_pysot_state,
    read_checkpoint,
    read_metadata,
    read_state,
    without_parts,
    write_state,
)

_IMAGE_FUSION = "weights of an image-fusion network, not of a tracker: `rgbt-track fuse --weights`"

_IMAGE_FUSION = "weights of an image-fusion network, not of a tracker: `rgbt-track fuse --weights`"


def load_weights(network: RGBTNetwork, path: str | Path) -> None:
    """Load a weights file: our safetensors, or a checkpoint of ``torch.save``, or pysot's.

    A pysot file (SiamRPN++) fills the fused branch's head with a copy of the shared one. The
    weights of a branch that ``network`` does not have are left out. Raises
    ``FileNotFoundError``, and ``ValueError`` for a damaged file or one of another network, naming
    the first keys that do not fit.
    """
    state = read_state(path)
    if is_pysot_state(state):
        state = complete_pysot_state(network, state, path)
    parts = ("rpn_head", "fusion", "fused_rpn_head", "early_fusion")
    off = [part for part in parts if getattr(network, part) is None]
    # A tracker of the visible camera can be given fused pictures: the image network keeps its own.
    if network.early_fusion is not None and not any(key.startswith("early_") for key in state):
        state |= {k: v for k, v in network.state_dict().items() if k.startswith("early_fusion.")}
    fit_state(network, without_parts(state, off), path)


def save_weights(
    path: str | Path, network: RGBTNetwork, config: Config, dtype: torch.dtype | None = None
) -> None:
    """Write the weights with their configuration as one safetensors file, whole or not at all.

    Args:
        path: the file, in a folder that exists.
        network: whose weights they are.
        config: its configuration.
        dtype: what floating tensors are stored as, ``torch.float16``, say; loading casts back.
    """
    state = {
        key: value.detach().to("cpu", dtype if value.is_floating_point() else None).contiguous()
        for key, value in network.state_dict().items()
    }
    write_state(path, state, {"config": json.dumps(to_mapping(config))})


def check_weights_config(path: str | Path, model: ModelConfig) -> None:
    """``ValueError`` where a weights file says that its network was trained with other settings.

    Compared are those that change no shape, so that the weights would fit and mean nothing. A file
    without a configuration passes.
    """
    values = _stored_config(Path(path))
    if values is None:
        return
    trained = from_mapping(Config, values, str(path)).model
    for key in ("pixels", "anchors", "fuse_at"):
        trained_value, value = getattr(trained, key), getattr(model, key)
        if trained_value != value:
            raise ValueError(
                f"{path}: trained with model.{key} {trained_value}, not {value}: take the settings "
                "that the weights were trained with"
            )


def read_weights_config(path: str | Path) -> Config:
    """The configuration in a file of ``save_weights``, or in a checkpoint of a training.

    Raises ``FileNotFoundError``, and ``ValueError`` for a file that has none, such as pysot's, or
    that of an image-fusion network.
    """
    values = _stored_config(Path(path))
    if values is None:
        raise ValueError(
            f"{path}: carries no configuration, so give the tracker that it belongs to with it "
            "(pysot's SiamRPN++: --tracker lrrtrack_r50 --weights FILE)"
        )
    if isinstance(values, Mapping) and values.get("task") == "image_fusion":
        raise ValueError(f"{path}: {_IMAGE_FUSION}")
    return from_mapping(Config, values, str(path))


def _stored_config(path: Path) -> Any:
    """What a file says of its configuration; ``None`` for one that says nothing."""
    if path.suffix == CHECKPOINT_SUFFIX:
        return read_checkpoint(path).get("config")
    if path.suffix != ".safetensors":
        if not path.is_file():
            raise FileNotFoundError(f"no such weights file: {path}")
        return None
    metadata = read_metadata(path)
    if METADATA in metadata:
        raise ValueError(f"{path}: {_IMAGE_FUSION}")
    if "config" not in metadata:
        return None
    return parse_json(metadata["config"], f"{path}: its configuration is damaged")
