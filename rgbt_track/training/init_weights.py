"""The weights that training starts from, for the stage ``fusion`` also those of another fusion."""

from __future__ import annotations

from pathlib import Path

from rgbt_track.config.training import TrainingConfig
from rgbt_track.models.backbones.packaged_weights import NORM_EPS, PIXELS, load_packaged
from rgbt_track.models.backbones.resnet import ResNet50
from rgbt_track.models.backbones.timm_backbone import TimmBackbone
from rgbt_track.models.checkpoint import load_weights
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.models.state_dict import fit_state, is_pysot_state, read_state, without_parts

PACKAGED = "packaged"  # as ``init_backbone``: the weights that a pip package brings
_REPLACEABLE = ("fusion", "fused_rpn_head")


def load_start(network: RGBTNetwork, config: TrainingConfig) -> None:
    """Load ``config.init_weights``, if any: a path as it stands, or below ``config.root``.

    ``config.init_backbone`` names torchvision weights that the backbone starts from instead.

    In the stage ``fusion`` the branches must fit; a fusion module or its head of another shape is
    left as it was initialized, so that one set of branches serves every fusion; with
    ``config.init_fusion_anew`` both are, whatever their shapes (a pysot file has neither). Raises
    ``FileNotFoundError``, and ``ValueError`` for weights of another network.
    """
    if config.init_backbone is not None:
        init_backbone(network, config)
    if config.init_weights is None:
        return
    path = Path(config.init_weights).expanduser()
    if not path.is_file():
        path = Path(config.root).expanduser() / path
    state = read_state(path)
    if config.stage != "fusion" or is_pysot_state(state):
        load_weights(network, path)
        return
    initial = network.state_dict()
    for part in _REPLACEABLE:
        fresh, loaded = (
            {key: value for key, value in tensors.items() if key.startswith(f"{part}.")}
            for tensors in (initial, state)
        )
        same_shapes = {k: v.shape for k, v in fresh.items()} == {
            k: v.shape for k, v in loaded.items()
        }
        if config.init_fusion_anew or not same_shapes:
            state = {**without_parts(state, [part]), **fresh}
    fit_state(network, state, path)


def init_backbone(network: RGBTNetwork, config: TrainingConfig) -> None:
    """Load torchvision's weights ``config.init_backbone`` into the backbone.

    Raises ``ValueError`` for another backbone than ResNet-50, another normalization than
    ImageNet's, and where ``config.init_weights`` would overwrite them.
    """
    name, backbone = config.init_backbone, network.backbone
    if config.init_weights is not None:
        raise ValueError(
            f"init_backbone {name} and init_weights {config.init_weights} both set the backbone: "
            "give one of them"
        )
    if name == PACKAGED:
        init_packaged(network)
        return
    if not isinstance(backbone, ResNet50):
        raise ValueError(
            f"init_backbone {name}: torchvision has weights for model.backbone=resnet50, "
            f"not for {type(backbone).__name__}"
        )
    pixels = getattr(network.input, "pixels", None)
    if pixels != "imagenet":
        raise ValueError(
            f"init_backbone {name}: torchvision's weights expect model.pixels=imagenet, "
            f"not {pixels}"
        )
    backbone.init_from_torchvision(name)


def init_packaged(network: RGBTNetwork) -> None:
    """Load the weights of a timm model's pip package into the backbone; raises ``ValueError`` as
    ``init_backbone`` does."""
    backbone = network.backbone
    if not isinstance(backbone, TimmBackbone):
        raise ValueError(
            f"init_backbone {PACKAGED}: pip packages have weights for model.backbone=timm:NAME, "
            f"not for {type(backbone).__name__}"
        )
    pixels = getattr(network.input, "pixels", None)
    if pixels != PIXELS or backbone.norm_eps != NORM_EPS:
        raise ValueError(
            f"init_backbone {PACKAGED}: these weights expect model.pixels={PIXELS} and "
            f"backbone_args norm_eps {NORM_EPS}, not {pixels} and {backbone.norm_eps}"
        )
    load_packaged(backbone)
