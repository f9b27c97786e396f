"""Weights of a network in and out of files.

A weights file is a single safetensors file that carries its configuration as JSON, so that it says
itself what it belongs to.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.tracker import Config, ModelConfig
from rgbt_track.config.yaml_files import parse_json
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.models.state_dict import (
    complete_pysot_state,
    fit_state,
    is_pysot_state,
    read_metadata,
    read_state,
    without_parts,
    write_state,
)


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
    path = Path(path)
    if path.suffix != ".safetensors" or "config" not in read_metadata(path):
        return
    trained = read_weights_config(path).model
    for key in ("pixels", "anchors", "fuse_at"):
        trained_value, value = getattr(trained, key), getattr(model, key)
        if trained_value != value:
            raise ValueError(
                f"{path}: trained with model.{key} {trained_value}, not {value}: take the settings "
                "that the weights were trained with"
            )


def read_weights_config(path: str | Path) -> Config:
    """The configuration that ``save_weights`` put into a file; ``ValueError`` if it has none."""
    metadata = read_metadata(path)
    if "config" not in metadata:
        raise ValueError(f"{path}: carries no configuration; was it written by rgbt-track?")
    values = parse_json(metadata["config"], f"{path}: its configuration is damaged")
    return from_mapping(Config, values, str(path))
