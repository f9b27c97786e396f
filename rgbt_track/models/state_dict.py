"""State dicts from files and into networks: every way in which a weights file can be wrong.

Untrusted files are never unpickled: ``.safetensors`` holds no code, anything else is read with
``weights_only=True``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rgbt_track.io.files import atomic_path

State = dict[str, Tensor]

_PREFIXES = ("module.", "network.", "model.")
DIGEST = "sha256"  # metadata: ``state_digest``
_COUNTERS = "num_batches_tracked"
_SHOWN = 4
_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def read_state(path: str | Path) -> State:
    """The tensors of a weights file, on the CPU, with the usual wrappings taken off.

    Reads ``.safetensors``, and what ``torch.save`` wrote: a state dict, or a checkpoint that has
    one under ``state_dict``. A ``module.``, ``network.`` or ``model.`` that begins every key of
    the network is dropped. Raises ``FileNotFoundError``, and ``ValueError`` in one line for a
    file that is truncated, damaged, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such weights file: {path}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)[0]
    return _unwrap(_read_torch(path), path)


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a ``.safetensors`` file; errors as ``read_state``."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such weights file: {path}")
    return _read_safetensors(path, tensors=False)[1]


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
    """What a training's checkpoint holds beside its tensors, which stay on disk.

    Raises as ``read_state``.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such weights file: {path}")
    content = _read_torch(path, mmap=True)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: holds no state dict")
    return content


def write_state(path: str | Path, state: State, metadata: Mapping[str, str]) -> None:
    """Write tensors on the CPU and their metadata as ``.safetensors``, whole or not at all.

    ``state_digest`` goes in as metadata, too. Raises ``FileNotFoundError`` where the folder around
    the file is missing.
    """
    with atomic_path(path) as part:
        if not part.parent.is_dir():
            raise FileNotFoundError(part.parent)
        save_file(state, part, metadata={**metadata, DIGEST: state_digest(state)})
        _sort_metadata(part)
        part.chmod(0o644)


def _sort_metadata(file: Path) -> None:
    """Bring metadata, which safetensors writes in any order, into one: same weights, same bytes."""
    with file.open("r+b") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        stream.seek(8)
        stream.write(text.ljust(size))  # padded with spaces, as it was


def state_digest(state: Mapping[str, Tensor]) -> str:
    """The SHA-256 of tensors on the CPU, with their names, types and shapes."""
    digest = hashlib.sha256()
    for key in sorted(state):
        tensor = state[key].detach().contiguous()
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def fit_state(network: nn.Module, state: Mapping[str, Tensor], where: str | Path) -> None:
    """Load a state dict whose every key and shape must fit, casting to the network's dtype.

    Batch norm's step counters may be missing: they only matter to training with a cumulative
    average. ``ValueError`` names the first keys that do not fit, are of a type that holds no
    real numbers, or hold NaN or infinity.
    """
    expected = network.state_dict()
    misfits = {
        "missing": [k for k in expected if k not in state and not k.endswith(_COUNTERS)],
        "unexpected": [key for key in state if key not in expected],
        "wrong shape": [
            f"{key} {tuple(state[key].shape)} for {tuple(tensor.shape)}"
            for key, tensor in expected.items()
            if key in state and state[key].shape != tensor.shape
        ],
    }
    issues = [f"{name} {_join_keys(keys)}" for name, keys in misfits.items() if keys]
    if issues:
        raise ValueError(f"{where}: these weights are of another network: {'; '.join(issues)}")
    other_types = [
        f"{key} {state[key].dtype}"
        for key, tensor in expected.items()
        if key in state and tensor.is_floating_point() and state[key].dtype not in _DTYPES
    ]
    if other_types:
        raise ValueError(f"{where}: weights that are no real numbers: {_join_keys(other_types)}")
    non_finite = [key for key, value in state.items() if not value.isfinite().all()]
    if non_finite:
        raise ValueError(f"{where}: NaN or infinite weights in {_join_keys(non_finite)}")
    network.load_state_dict(dict(state), strict=False)


def is_pysot_state(keys: Iterable[str]) -> bool:
    """Whether these are the keys of pysot's SiamRPN++ (or of our own RGB and thermal branches).

    They have pysot's names and no fused branch.
    """
    keys = list(keys)
    has_fused_branch = any(key.startswith(("fusion.", "fused_rpn_head.")) for key in keys)
    return not has_fused_branch and any(key.startswith("rpn_head.rpn") for key in keys)


def complete_pysot_state(
    network: nn.Module, state: Mapping[str, Tensor], where: str | Path
) -> State:
    """A pysot state dict completed for an RGB-T network.

    The fused branch's head becomes a copy of the shared head, and the fusion keeps what the
    network has: built with ``start: mean``, the fused branch then responds to the mean of both
    modalities. Averages without learned weights (pysot's ``weighted: false``) become equal
    weights. Raises ``ValueError`` for SiamMask's weights, whose head this network does not have.
    """
    masks = [key for key in state if key.startswith(("mask_head.", "refine_head."))]
    if masks:
        raise ValueError(
            f"{where}: SiamMask's weights ({_join_keys(masks)}) cannot be used; "
            "give a checkpoint of siamrpn_r50_l234_dwxcorr"
        )
    expected = network.state_dict()
    completed = dict(state)
    for key in ("rpn_head.cls_weight", "rpn_head.loc_weight"):
        if key in expected:
            completed.setdefault(key, torch.ones_like(expected[key]))
    for key in expected:
        if key.startswith("fused_rpn_head."):
            source = key.removeprefix("fused_")
            if source in completed:
                completed[key] = completed[source]
        elif key.startswith("fusion."):
            completed[key] = expected[key]
    return completed


def without_parts(state: Mapping[str, Tensor], off: Iterable[str]) -> State:
    """The state dict less the keys of whole parts, such as the head of a branch that is off."""
    prefixes = tuple(f"{part}." for part in off)
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def _read_safetensors(path: Path, tensors: bool = True) -> tuple[State, dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            keys = file.keys() if tensors else ()
            return {key: file.get_tensor(key) for key in keys}, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged or not a safetensors file: {error}") from None


def _read_torch(path: Path, mmap: bool = False) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except OSError:
        raise
    except Exception as error:  # arbitrary bytes make the unpickler raise nearly anything
        reason = str(error).strip().split("\n")[0][:100] or type(error).__name__
        raise ValueError(f"{path}: damaged, or holds more than weights: {reason}") from None


def _unwrap(content: object, path: Path) -> State:
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path}: holds no state dict")
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path}: holds more than tensors; expected a state dict")
    odd = [str(key) for key, value in content.items() if not _is_plain(value)]
    if odd:
        raise ValueError(
            f"{path}: sparse, quantized or meta tensors in {_join_keys(odd)}; expected plain ones"
        )
    state = {str(key): value for key, value in content.items()}
    for prefix in _PREFIXES:
        unwrapped = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        state = unwrapped or state
    return state


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor has one value in memory for each of its places."""
    is_dense = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_nested
    return is_dense and tensor.device.type == "cpu"


def _join_keys(keys: list[str]) -> str:
    rest = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + rest
