"""The network: backbone, neck, fusion and heads; tensors in, tensors out."""

from rgbt_track.models.response import BRANCHES, MODALITIES, Response

__all__ = ["BRANCHES", "MODALITIES", "Response"]
