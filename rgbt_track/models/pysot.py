"""pysot's configuration and weight files (SiamRPN++ with ResNet-50), read into ours.

Published single-modality weights start an RGB-T tracker: RGB and thermal branch are SiamRPN++ as
it was trained, the fused branch's head is a copy of theirs, and the fusion starts as the mean of
both modalities. What cannot be represented is refused in one line.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.tracker import AnchorConfig, Config, ModelConfig, TrackingConfig
from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import load_weights
from rgbt_track.models.network import RGBTNetwork

_LEVELS = [2, 3, 4]
# pysot's section and key, our TrackingConfig field; the defaults are those of this configuration.
_TRACK = {
    "PENALTY_K": ("penalty_k", 0.05),
    "WINDOW_INFLUENCE": ("window_influence", 0.42),
    "LR": ("size_lr", 0.38),
    "EXEMPLAR_SIZE": ("template_size", 127),
    "INSTANCE_SIZE": ("search_size", 255),
    "CONTEXT_AMOUNT": ("context", 0.5),
}
_TRACKERS = ("SiamRPNTracker", "SiamRPNLTTracker")


def load_pysot_config(path: str | Path, *, fusion: str = "llrr_light") -> Config:
    """Read a ``config.yaml`` of pysot's ResNet-50 SiamRPN++ experiments.

    ``fusion`` names the fusion of the RGB-T network around it, started as the mean. Missing keys
    take the values of pysot's ``siamrpn_r50_l234_dwxcorr``; training sections are left out, and
    the long-term tracker's configuration is run as the short-term tracker. Raises
    ``FileNotFoundError``, and ``ValueError`` for another backbone, neck or head.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    values = read_yaml(path)
    _check_architecture(values, path)
    return Config(
        name=str(values.get("META_ARC", path.stem)),
        model=_model(values, path, fusion),
        tracking=_tracking(_section(values, "TRACK", path), path),
        note=f"pysot's configuration {path.name}",
    )


def load_pysot_checkpoint(
    path: str | Path, config: Config | str | Path | None = None, *, fusion: str | None = None
) -> RGBTNetwork:
    """An RGB-T network in evaluation mode, started from pysot's published weights.

    Args:
        path: the ``.pth`` file; its tensors may lie under ``state_dict`` and carry ``module.``.
        config: what ``load_pysot_config`` gave, or the path of pysot's YAML; without it,
            ``siamrpn_r50_l234_dwxcorr`` with 256 channels in the neck.
        fusion: name of the fusion; the configuration's own without it.

    Raises ``FileNotFoundError``, and ``ValueError`` naming the keys that are missing, unexpected
    (SiamMask's, for instance) or of another shape.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no such weights file: {path}")
    if config is None:
        config = Config(name="siamrpn_r50_l234_dwxcorr", model=_with_mean_start(ModelConfig()))
    elif not isinstance(config, Config):
        config = load_pysot_config(config)
    model = config.model
    if fusion is not None:
        model = _with_mean_start(replace(model, fusion=fusion))
    network = build_network(model, seed=0)
    load_weights(network, path)
    return network.eval()


def _with_mean_start(model: ModelConfig) -> ModelConfig:
    return replace(model, fusion_args={**model.fusion_args, "start": "mean"})


def _check_architecture(values: dict[str, Any], path: Path) -> None:
    backbone = _section(values, "BACKBONE", path)
    adjust = _section(values, "ADJUST", path)
    layers = backbone.get("LAYERS", _kwargs(backbone).get("used_layers", _LEVELS))
    expected = [
        ("BACKBONE.TYPE", _type(backbone, "resnet50"), ("resnet50",)),
        ("BACKBONE.KWARGS.used_layers", layers, (_LEVELS,)),
        ("ADJUST.ADJUST", adjust.get("ADJUST", True), (True,)),
        ("ADJUST.TYPE", _type(adjust, "AdjustAllLayer"), ("AdjustAllLayer",)),
        ("RPN.TYPE", _type(_section(values, "RPN", path), "MultiRPN"), ("MultiRPN",)),
        ("MASK.MASK", _section(values, "MASK", path).get("MASK", False), (False,)),
        ("TRACK.TYPE", _type(_section(values, "TRACK", path), _TRACKERS[0]), _TRACKERS),
    ]
    for key, value, valid in expected:
        if value not in valid:
            names = " or ".join(map(str, valid))
            raise ValueError(f"{path}: {key} is {value}; only {names} can be read")


def _model(values: dict[str, Any], path: Path, fusion: str) -> ModelConfig:
    adjust = _section(values, "ADJUST", path)
    channels = adjust.get("ADJUST_CHANNEL", _kwargs(adjust).get("out_channels", [256, 256, 256]))
    anchors = _anchors(_section(values, "ANCHOR", path), path)
    settings = {
        "fusion": fusion,
        "fusion_args": {"start": "mean"},
        "neck_channels": channels,
        "head_channels": channels,
    }
    return replace(from_mapping(ModelConfig, settings, f"{path}: ADJUST"), anchors=anchors)


def _anchors(section: dict[str, Any], path: Path) -> AnchorConfig:
    settings = {
        key.lower(): section[key] for key in ("STRIDE", "RATIOS", "SCALES") if key in section
    }
    anchors = from_mapping(AnchorConfig, settings, f"{path}: ANCHOR")
    count = len(anchors.ratios) * len(anchors.scales)
    if section.get("ANCHOR_NUM", count) != count:
        raise ValueError(
            f"{path}: ANCHOR.ANCHOR_NUM is {section['ANCHOR_NUM']}, "
            f"but RATIOS and SCALES make {count}"
        )
    return anchors


def _tracking(section: dict[str, Any], path: Path) -> TrackingConfig:
    settings = {field: section.get(key, default) for key, (field, default) in _TRACK.items()}
    if section.get("BASE_SIZE", 8) != 8:
        raise ValueError(
            f"{path}: TRACK.BASE_SIZE is {section['BASE_SIZE']}; "
            "the response map of ResNet-50 needs 8"
        )
    return from_mapping(TrackingConfig, settings, f"{path}: TRACK")


def _section(values: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    section = values.get(key) or {}
    if not isinstance(section, dict):
        raise ValueError(f"{path}: {key} is {section!r}; expected 'key: value' lines")
    return section


def _kwargs(section: dict[str, Any]) -> dict[str, Any]:
    return section.get("KWARGS") or {}


def _type(section: dict[str, Any], default: str) -> str:
    """The bare name: older pysot files give a dotted path."""
    return str(section.get("TYPE", default)).rsplit(".", 1)[-1]
