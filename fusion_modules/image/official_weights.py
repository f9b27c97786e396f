"""The authors' published weight file of LRRNet: a plain state dict with other names.

Their first source is the infrared image, their second the visible one; ``x`` and ``y`` in the
decoder's names; ``Z`` is the low-rank (L) and ``U`` the sparse (S) part, ``ReL`` and ``ReH`` fuse
these.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fusion_modules.llrr import official_key

_STACKS = {"stack_infrared.": "get_ls1.", "stack_visible.": "get_ls2."}
_CONVOLUTIONS = {
    "low_infrared.": "decoder.conv_ReZx.conv2d.",
    "sparse_infrared.": "decoder.conv_ReUx.conv2d.",
    "low_visible.": "decoder.conv_ReZy.conv2d.",
    "sparse_visible.": "decoder.conv_ReUy.conv2d.",
    "fuse_low.": "decoder.conv_ReL.conv2d.",
    "fuse_sparse.": "decoder.conv_ReH.conv2d.",
}


def official_name(key: str) -> str:
    """The authors' name of a key of ``LRRNet.state_dict()``; ``ValueError`` for any other key."""
    for ours, theirs in _STACKS.items():
        if key.startswith(ours):
            return theirs + official_key(key.removeprefix(ours))
    for ours, theirs in _CONVOLUTIONS.items():
        if key.startswith(ours):
            return theirs + key.removeprefix(ours)
    raise ValueError(f"{key!r} is no key of LRRNet; expected e.g. 'stack_visible.theta'")


def is_official(state: Mapping[str, Any]) -> bool:
    """Whether a state dict carries the authors' names."""
    return "get_ls1.lamj" in state or "module.get_ls1.lamj" in state


def read_official(file: str | Path) -> dict[str, Any]:
    """Read a state dict of ``torch.save``; untrusted files are never unpickled.

    Raises ``FileNotFoundError``, and ``ValueError`` for a file that holds anything else.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"no such weights file: {path}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path}: not a readable weights file: {reason}") from None
    if not isinstance(state, Mapping):
        raise ValueError(f"{path}: holds a {type(state).__name__}; expected a state dict")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def convert_official(
    official: Mapping[str, Any], state_dict: Mapping[str, Tensor], file: str | Path
) -> dict[str, Tensor]:
    """The file's tensors under the names of ``LRRNet``, whose ``state_dict`` gives their shapes.

    Raises ``ValueError`` naming the first tensor that is missing, of another shape, or unknown.
    """
    names = {key: official_name(key) for key in state_dict}
    for key, name in names.items():
        tensor, shape = official.get(name), tuple(state_dict[key].shape)
        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"{file}: has no tensor {name!r}; "
                f"LRRNet's published file holds {len(names)} by name"
            )
        if tuple(tensor.shape) != shape:
            raise ValueError(
                f"{file}: {name} has shape {tuple(tensor.shape)}; LRRNet in the paper's "
                f"configuration (1 channel, n = 128, 4 blocks) has {shape}"
            )
    unknown = sorted(set(official) - set(names.values()))
    if unknown:
        raise ValueError(f"{file}: {unknown[0]} is no part of LRRNet with 4 blocks")
    return {key: official[name] for key, name in names.items()}
