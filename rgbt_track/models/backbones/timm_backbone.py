"""Any convolutional network of timm as a backbone, on the package's centred grid.

timm's networks pad their strided convolutions symmetrically: cell k of a level of stride s is
centred on pixel s k. The package's grid has cell k of a crop of s n - 1 pixels on pixel
s (k + 1) - 1. So s - 1 pixels are cut off every side of the crop, which gives the same cells on the
same grid. Levels deeper than the stride are resized to it by linear interpolation between cell
centres, and all levels are concatenated: one level for one head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fusion_modules.conv_norm import Foldable
from rgbt_track.models.backbones.fixed_depthwise import fix_depthwise
from rgbt_track.models.interface import Backbone

PREFIX = "timm:"


class TimmBackbone(Backbone, Foldable):
    """Crops (B, 3, X, X) -> one level (B, C, N, N) at ``stride``, N = (X + 1) / stride - 1.

    Args:
        name: a model of ``timm.list_models()`` with feature maps, such as "efficientnet_lite0".
        stages: indices of its feature maps (timm's ``out_indices``), of which the shallowest has
            ``stride`` pixels between its cells and the others a multiple of that.
        stride: pixels between the cells of the result.
        frozen_stages: the first feature maps up to which nothing ever learns; 0: all may learn.
        fixed_depthwise: never train depthwise convolutions (see ``fixed_depthwise.py``).
        norm_eps: epsilon of the batch norms, for weights trained with another one than timm's.
        pretrained: load timm's own weights, downloaded once from its hub.

    Batch norms always keep their statistics. Raises ``ValueError`` for an unknown model, for stages
    that do not fit the stride, and for a network whose cells are off the grid.
    """

    def __init__(
        self,
        name: str,
        stages: Sequence[int] = (2, 3),
        stride: int = 8,
        *,
        frozen_stages: int = 0,
        fixed_depthwise: bool = False,
        norm_eps: float | None = None,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        self.body = _create(name, tuple(stages), pretrained)
        _drop_unused_blocks(self.body)
        reductions = self.body.feature_info.reduction()
        if reductions[0] != stride or any(value % stride for value in reductions):
            raise ValueError(
                f"backbone {PREFIX}{name}: its stages {list(stages)} have strides {reductions}; "
                f"expected the first to be {stride} and the others multiples of it"
            )
        self.name, self.stride, self.norm_eps = name, stride, norm_eps
        self.channels = (sum(self.body.feature_info.channels()),)
        if norm_eps is not None:
            for norm in _batch_norms(self.body):
                norm.eps = norm_eps
        if fixed_depthwise:
            fix_depthwise(self.body)
        self._always_frozen = self._frozen_names(frozen_stages, fixed_depthwise)
        self._check_grid()
        self.requires_grad_(True).train()

    def forward(self, x: Tensor) -> list[Tensor]:
        margin = self.stride - 1
        levels = self.body(x[..., margin:-margin, margin:-margin])
        return [torch.cat([levels[0], *(_resize(level, levels[0]) for level in levels[1:])], 1)]

    def requires_grad_(self, requires_grad: bool = True) -> TimmBackbone:
        """As for any module; what is frozen by the settings stays frozen."""
        for name, parameter in self.body.named_parameters():
            parameter.requires_grad_(requires_grad and name not in self._always_frozen)
        return self

    def train(self, mode: bool = True) -> TimmBackbone:
        """As for any module; batch norms stay in evaluation mode."""
        super().train(mode)
        for norm in _batch_norms(self.body):
            norm.eval()
        return self

    def input_convolution(self) -> nn.Conv2d | None:
        """The first convolution; the pixels' normalization folds into it where it is not padded."""
        return next((m for m in self.body.modules() if isinstance(m, nn.Conv2d)), None)

    @torch.no_grad()
    def fold(self) -> None:
        """Fold every batch norm into the convolution whose output it normalizes.

        Which one that is shows in a forward pass: the batch norm gets the very tensor that the
        convolution gave. timm's batch norms carry their activation, which stays in their place.
        """
        names = {module: name for name, module in self.body.named_modules()}
        outputs: list[tuple[Tensor, nn.Conv2d]] = []
        pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

        def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(module, nn.Conv2d):
                outputs.append((output, module))

        def match(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            convs = [conv for output, conv in outputs if output is inputs[0]]
            if isinstance(module, nn.BatchNorm2d) and convs:
                pairs.append((convs[0], module))

        handles = [module.register_forward_hook(keep) for module in names]
        handles += [module.register_forward_pre_hook(match) for module in names]
        self.body.eval()(torch.zeros(1, 3, self._side, self._side))
        for handle in handles:
            handle.remove()
        for conv, norm in pairs:
            self.body.set_submodule(names[conv], fuse_conv_bn_eval(conv, norm))
            self.body.set_submodule(names[norm], getattr(norm, "act", nn.Identity()))

    def _frozen_names(self, stages: int, fixed_depthwise: bool) -> frozenset[str]:
        """Names of the parameters that never learn; they are registered in forward order."""
        modules = [info["module"] for info in self.body.feature_info.info]
        if not 0 <= stages <= len(modules):
            raise ValueError(f"frozen_stages is {stages}; {self.name!r} has {len(modules)} stages")
        names = [name for name, _ in self.body.named_parameters()]
        frozen: set[str] = set()
        if stages:
            last = modules[stages - 1]
            prefixes = (f"{last}.", f"{last.replace('.', '_')}.")  # timm flattens some names
            inside = [row for row, name in enumerate(names) if name.startswith(prefixes)]
            if not inside:
                raise ValueError(
                    f"frozen_stages is {stages}, but {self.name!r} has no parameters in {last!r}"
                )
            frozen.update(names[: inside[-1] + 1])
        if fixed_depthwise:
            frozen.update(
                f"{name}.weight"
                for name, module in self.body.named_modules()
                if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
            )
        return frozenset(frozen)

    @torch.no_grad()
    def _check_grid(self) -> None:
        """Refuse a network whose levels do not have a cell on the first and the last pixel."""
        strides = self.body.feature_info.reduction()
        self._side = 2 * strides[-1] + 1  # of a small input whose first and last pixel have cells
        expected = [(self._side - 1) // value + 1 for value in strides]
        image = torch.zeros(1, 3, self._side, self._side)
        try:
            sides = [level.shape[-1] for level in self.body.eval()(image)]
        except RuntimeError:
            sides = []
        if sides != expected:
            raise ValueError(
                f"backbone {PREFIX}{self.name}: its cells are not centred on every {self.stride}th "
                "pixel, as patch embeddings and even kernels have it; choose another"
            )


def _create(name: str, stages: tuple[int, ...], pretrained: bool) -> Any:
    import timm

    if name not in timm.list_models():
        near = timm.list_models(f"*{name.split('_')[0]}*")[:8]
        hint = f"; there are {', '.join(near)}" if near else ""
        raise ValueError(f"unknown timm model {name!r}{hint}")
    try:
        return timm.create_model(
            name, features_only=True, out_indices=stages, pretrained=pretrained
        )
    except (RuntimeError, AttributeError, IndexError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"timm model {name!r} gives no stages {list(stages)}: {reason}") from None


def _drop_unused_blocks(body: Any) -> None:
    """Remove the blocks behind the last stage, which timm's EfficientNets keep and run."""
    last = body.feature_info.module_name()[-1].partition(".")
    if isinstance(getattr(body, "blocks", None), nn.Sequential) and last[0] == "blocks":
        body.blocks = body.blocks[: int(last[2]) + 1]


def _batch_norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]


def _resize(level: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(level, size=like.shape[-2:], mode="bilinear", align_corners=True)
