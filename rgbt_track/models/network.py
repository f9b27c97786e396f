"""The RGB-T Siamese network: one backbone and neck for both modalities, three branches.

SiamRPN++ on each modality (the two share one RPN, as in DFAT) and LRRNet's fusion branch (TPAMI
2023, figure 14): the levels of both are fused one by one, and an RPN of its own responds to them.

    crops -> backbone -> neck -> [center crop] -> fusion -> heads      fuse_at = "neck" (DFAT)
    crops -> backbone -> fusion -> neck -> [center crop] -> heads      fuse_at = "backbone"

The template is cropped to its center after the neck, as in pysot; so at the neck the fusion takes
the cropped template, as DFAT's does, and at the backbone the whole one. Components arrive built
(``rgbt_track.models.build``); nothing here holds state.

The tracker calls the two sides apart (``template_levels`` and ``kernels`` once per template,
``search`` on every frame); training calls ``forward``, both sides at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rgbt_track.modalities import BRANCHES, MODALITIES
from rgbt_track.models.grid import grid_cells, required_target
from rgbt_track.models.interface import Backbone, Head, Kernels, Levels, Response
from rgbt_track.models.neck import center_crop
from rgbt_track.models.target_planes import target_planes

Crops = Mapping[str, Tensor]


class NetworkOutput(NamedTuple):
    """For training: responses of the branches that are on, and every level of both sides.

    The levels hold both modalities even where only the fused branch is on: the feature loss
    compares the fused levels with them. ``search_levels`` and ``template_levels`` are those behind
    the neck; ``search_backbone`` and ``template_backbone`` those before it where the fusion is at
    the backbone, elsewhere empty, so that no memory is held for them.
    """

    responses: dict[str, Response]
    search_levels: dict[str, Levels]
    template_levels: Mapping[str, Levels] = MappingProxyType({})
    search_backbone: Mapping[str, Levels] = MappingProxyType({})
    template_backbone: Mapping[str, Levels] = MappingProxyType({})


class RGBTNetwork(nn.Module):
    """Crops of one or both modalities -> one response per branch.

    Crops are dicts "rgb" / "tir" -> (B, 3, X, X) float, RGB order, 0..255; a thermal crop repeats
    its one channel. A missing modality is an absent key, and takes the fused branch with it.

    Args:
        pixels: crops -> what the backbone expects.
        backbone: (B, 3, X, X) -> levels on one centered grid.
        neck: levels -> levels, each of the heads' channels.
        rpn_head: the head that RGB and thermal branch share; ``None`` when both are off.
        fusion: (rgb levels, tir levels) -> fused levels; ``None`` when that branch is off.
        fused_rpn_head: the fused branch's own head.
        branches: the branches that are on, any of "rgb", "tir", "fused".
        template_cells: side of the template's center crop in cells.
        fuse_at: "neck" or "backbone".
        stride: pixels of a crop between cells of the grid.
        target_reference: where positive, the heads are told the target's box in the template crop
            as maps beside its features (see ``target_planes``), in terms of this many pixels.
        early_fusion: makes one picture, for the branch "rgb", of the crops; or ``None``.
    """

    def __init__(
        self,
        *,
        pixels: nn.Module,
        backbone: Backbone,
        neck: nn.Module,
        rpn_head: Head | None,
        fusion: nn.Module | None,
        fused_rpn_head: Head | None,
        branches: Sequence[str],
        template_cells: int = 7,
        fuse_at: str = "neck",
        stride: int = 8,
        target_reference: float = 0.0,
        early_fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.early_fusion = early_fusion
        self.input = pixels
        self.backbone = backbone
        self.neck = neck
        self.rpn_head = rpn_head
        self.fusion = fusion
        self.fused_rpn_head = fused_rpn_head
        self.branches = tuple(name for name in BRANCHES if name in branches)
        self.template_cells = template_cells
        self.fuse_at = fuse_at
        self.stride = stride
        self.target_reference = target_reference

    def response_size(self, search_size: int = 255) -> int:
        """S, the side of the response map for search crops of ``search_size`` pixels.

        Raises ``ValueError`` for a size that would leave the grid off the crop's center.
        """
        cells = grid_cells(search_size, self.stride)
        if cells < self.template_cells:
            raise ValueError(
                f"search_size {search_size} gives {cells} cells, fewer than the template's "
                f"{self.template_cells}"
            )
        return cells - self.template_cells + 1

    def template_levels(self, crops: Crops, target: Tensor | None = None) -> dict[str, Levels]:
        """Branch -> its center-cropped levels, for the branches that are on and have crops.

        ``target`` (B, 4), the target's cx, cy, w, h in pixels from the crop's center, is needed by
        a network that is told it, and ignored by others.
        """
        levels = self._active(self._all_levels(crops, self.template_cells))
        return self._tell_target(levels, target)

    def kernels(self, levels: Mapping[str, Levels]) -> Kernels:
        """The heads' template side, of ``template_levels``: computed once per template."""
        kernels: Kernels = {}
        for head, names in self._heads(levels):
            joined = head.kernels(_join({name: levels[name] for name in names}))
            kernels.update(_split_pairs(joined, names))
        return kernels

    def search(self, kernels: Kernels, crops: Crops) -> dict[str, Response]:
        """Branch -> response, for every branch that has both kernels and crops."""
        return self._responses(kernels, self._all_levels(crops))

    def forward(
        self, template_crops: Crops, search_crops: Crops, target: Tensor | None = None
    ) -> NetworkOutput:
        """Both sides at once, for training: B templates, each against its own search crop.

        ``target`` as in ``template_levels``.
        """
        template_backbone = self._before_neck(template_crops)
        search_backbone = self._before_neck(search_crops)
        template = self._behind_neck(template_backbone, self.template_cells)
        search = self._behind_neck(search_backbone)
        kernels = self.kernels(self._tell_target(self._active(template), target))
        responses = self._responses(kernels, search)
        if self.fuse_at == "neck":
            return NetworkOutput(responses, search, template)
        return NetworkOutput(responses, search, template, search_backbone, template_backbone)

    def _all_levels(self, crops: Crops, cells: int | None = None) -> dict[str, Levels]:
        """Every branch's levels that the crops allow, cropped to ``cells`` where given."""
        return self._behind_neck(self._before_neck(crops), cells)

    def _before_neck(self, crops: Crops) -> dict[str, Levels]:
        """The backbone's levels, and the fused ones if they are fused here."""
        _check(crops)
        if self.early_fusion is not None:
            crops = self.early_fusion(crops)
        crops = {name: crop for name, crop in crops.items() if self._is_needed(name, crops)}
        if not crops:
            return {}
        # Both modalities in one batch.
        levels = self._backbone_levels(crops)
        if self._fuses(levels) and self.fuse_at == "backbone":
            levels["fused"] = self._fuse(levels)
        return levels

    def _behind_neck(
        self, backbone_levels: Mapping[str, Levels], cells: int | None = None
    ) -> dict[str, Levels]:
        """The neck's levels, the template's cropped to ``cells``, and the fused ones."""
        if not backbone_levels:
            return {}
        levels = _split(self.neck(_join(backbone_levels)), list(backbone_levels))
        if cells is not None:
            levels = {name: center_crop(maps, cells) for name, maps in levels.items()}
        if self._fuses(levels) and self.fuse_at == "neck":
            levels["fused"] = self._fuse(levels)
        return levels

    def _tell_target(self, levels: dict[str, Levels], target: Tensor | None) -> dict[str, Levels]:
        """The template's levels with maps of the target's box, for a network that is told it."""
        if not self.target_reference:
            return levels
        box, side = required_target(target), self.target_reference
        planes = target_planes(box, self.template_cells, self.stride, side)
        return {
            name: [torch.cat([level, planes.to(level.dtype)], 1) for level in maps]
            for name, maps in levels.items()
        }

    def _fuses(self, levels: Mapping[str, Levels]) -> bool:
        """Whether there is a fused branch, and levels of both modalities for it."""
        return "fused" in self.branches and all(name in levels for name in MODALITIES)

    def _is_needed(self, name: str, crops: Crops) -> bool:
        both = all(modality in crops for modality in MODALITIES)
        return name in self.branches or ("fused" in self.branches and both)

    def _backbone_levels(self, crops: Crops) -> dict[str, Levels]:
        names = [name for name in MODALITIES if name in crops]
        batch = torch.cat([crops[name] for name in names])
        return _split(self.backbone(self.input(batch)), names)

    def _fuse(self, levels: Mapping[str, Levels]) -> Levels:
        assert self.fusion is not None
        return self.fusion(levels["rgb"], levels["tir"])

    def _active(self, levels: Mapping[str, Levels]) -> dict[str, Levels]:
        return {name: levels[name] for name in self.branches if name in levels}

    def _heads(self, names: Collection[str]) -> list[tuple[Head, list[str]]]:
        """Each head with those of its branches that are on and named: RGB and thermal share one."""
        heads = []
        for head, head_branches in ((self.rpn_head, MODALITIES), (self.fused_rpn_head, ("fused",))):
            active = [name for name in head_branches if name in self.branches and name in names]
            if head is not None and active:
                heads.append((head, active))
        return heads

    def _responses(self, kernels: Kernels, levels: Mapping[str, Levels]) -> dict[str, Response]:
        """Branch -> response; a head runs once for all its branches, in one batch."""
        responses = {}
        for head, names in self._heads([name for name in kernels if name in levels]):
            joined = head(
                _join_pairs([kernels[name] for name in names]),
                _join({name: levels[name] for name in names}),
            )
            for name, cls, loc in zip(names, *_split_chunks(joined, len(names)), strict=True):
                responses[name] = Response(cls, loc)
        return responses


def _check(crops: Crops) -> None:
    invalid = [name for name in crops if name not in MODALITIES]
    if invalid or not crops:
        raise ValueError(f"crops of {invalid or 'no modality'}; valid: {', '.join(MODALITIES)}")


def _join(levels: Mapping[str, Levels]) -> Levels:
    maps = zip(*levels.values(), strict=True)
    return [level[0] if len(level) == 1 else torch.cat(level) for level in maps]


def _split(levels: Sequence[Tensor], names: Sequence[str]) -> dict[str, Levels]:
    parts = [level.chunk(len(names)) for level in levels]
    return {name: [part[index] for part in parts] for index, name in enumerate(names)}


def _split_chunks(tensors: Sequence[Tensor], count: int) -> list[tuple[Tensor, ...]]:
    return [tensor.chunk(count) for tensor in tensors]


def _join_pairs(branches: Sequence[list[tuple[Tensor, Tensor]]]) -> list[tuple[Tensor, Tensor]]:
    if len(branches) == 1:
        return branches[0]
    return [
        (torch.cat([cls for cls, _ in pairs]), torch.cat([loc for _, loc in pairs]))
        for pairs in zip(*branches, strict=True)
    ]


def _split_pairs(
    levels: Sequence[tuple[Tensor, Tensor]], names: Sequence[str]
) -> dict[str, list[tuple[Tensor, Tensor]]]:
    parts = [_split_chunks(pair, len(names)) for pair in levels]
    return {
        name: [(cls[index], loc[index]) for cls, loc in parts] for index, name in enumerate(names)
    }
