"""The two modalities and the three branches of the tracker, as keys and files name them."""

from __future__ import annotations

MODALITIES = ("rgb", "tir")


BRANCHES = ("rgb", "tir", "fused")
