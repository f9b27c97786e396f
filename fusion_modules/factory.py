"""Fusions by name, or any class by its dotted path; one literal dict, no registration."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from torch import nn

from fusion_modules.base import Fusion
from fusion_modules.common_feature import CommonFeatureFusion
from fusion_modules.concat import ConcatFusion
from fusion_modules.conv8 import Conv8Fusion
from fusion_modules.dense import DenseFusion
from fusion_modules.gated import GatedFusion
from fusion_modules.lightweight import LightweightFusion
from fusion_modules.llrr import LLRRFusion
from fusion_modules.llrr_light import LLRRLightFusion
from fusion_modules.mean import MeanFusion
from fusion_modules.residual import ResidualFusion
from fusion_modules.spatial import SpatialFusion

FUSIONS: dict[str, type[Fusion]] = {
    "llrr": LLRRFusion,
    "llrr_light": LLRRLightFusion,
    "rfn": ResidualFusion,
    "cfpm": CommonFeatureFusion,
    "lwc": LightweightFusion,
    "mean": MeanFusion,
    "concat": ConcatFusion,
    "gated": GatedFusion,
    "spatial": SpatialFusion,
    "conv8": Conv8Fusion,
    "dense": DenseFusion,
}

_ARGUMENT_ERROR = re.compile(
    r"unexpected keyword argument|missing (a|\d+) required|multiple values|too many positional"
)


def create_fusion(name: str, channels: int, **kwargs: Any) -> nn.Module:
    """Build a fusion for maps of ``channels`` channels; ``kwargs`` go to its constructor.

    ``name`` is a key of ``FUSIONS`` or ``"package.module:Class"``, where
    ``Class(channels, **kwargs)`` gives a module with ``forward(rgb, tir) -> fused``; deriving it
    from ``Fusion`` adds the checks and ``start``, but is not required. Raises ``ValueError`` for an
    unknown name, a path without a class, and an argument that the fusion does not have.
    """
    if not isinstance(name, str):
        raise ValueError(f"fusion is {name!r}; expected a name ({', '.join(FUSIONS)}) or a path")
    build = load_class(name) if ":" in name else FUSIONS.get(name)
    if build is None:
        raise ValueError(
            f"unknown fusion {name!r}{_nearest(name, FUSIONS)}; valid: {', '.join(FUSIONS)}, "
            "or 'package.module:Class' for a class of your own"
        )
    signature = inspect.signature(build)
    try:
        signature.bind(channels, **kwargs)
        fusion = build(channels, **kwargs)
    except TypeError as error:
        if not _ARGUMENT_ERROR.search(str(error)):
            raise  # an error inside the class, whose author needs the traceback
        parameters = list(signature.parameters.values())[1:]
        valid = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
        hint = next((_nearest(key, valid) for key in kwargs if key not in valid), "")
        names = ", ".join(f"**{p.name}" if p.kind is p.VAR_KEYWORD else p.name for p in parameters)
        raise ValueError(
            f"fusion {name!r}: {error}{hint}; valid arguments: {names or 'none'}"
        ) from error
    if not isinstance(fusion, nn.Module):
        raise ValueError(f"fusion {name!r} gave a {type(fusion).__name__}; expected an nn.Module")
    return fusion


def load_class(path: str) -> Callable[..., Any]:
    """The class at ``package.module:Class``; ``ValueError`` where there is none."""
    module_name, _, class_name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a module of anybody's may raise anything
        raise ValueError(
            f"fusion {path!r}: cannot import {module_name!r} ({type(error).__name__}: {error}); "
            "install it, put it into the current folder, or its folder on PYTHONPATH"
        ) from error
    value = getattr(module, class_name, None)
    if not callable(value):
        hint = _nearest(class_name, vars(module))
        raise ValueError(f"fusion {path!r}: {module_name} has no class {class_name!r}{hint}")
    return value


def _nearest(name: str, valid: Iterable[str]) -> str:
    close = get_close_matches(name, list(valid), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
