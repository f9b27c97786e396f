"""Published numbers of LRRNet (H. Li et al., TPAMI 45(9), 2023), and the pairs they belong to.

The metrics are those of ``fusion_modules.image.metrics``; the SSIMm of the tables is not one
consistent quantity, and the row of LRRNet does not come out of the published weights and images,
which give En 0.02 and SD 0.7 lower, Nabf 0.004 higher (docs/papers.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fusion_modules.image.metrics import METRICS
from rgbt_track.resources import check_choice, folder

_KEYS = ("En", "SD", "MI_paper", "SSIM", "VIF", "Nabf")

# Set of pairs -> (number of pairs, LRRNet's row of Table 5 or 6).
TEST_SETS = {
    "tno21": (21, (6.85836, 81.78905, 13.71673, 0.70625, 0.71399, 0.14168)),
    "tno_vot40": (40, (6.97205, 89.05225, 13.94410, 0.69851, 0.77659, 0.13162)),
}

# Table 7, in parameters; DenseFuse's 0.29908 is there in megabytes.
TABLE_7 = {"lrrnet": 49_204, "densefuse": 74_193}


def published_row(name: str) -> dict[str, float]:
    """LRRNet's published metrics on a set of pairs; NaN for those that the paper does not have."""
    check_choice("unknown set of pairs", name, TEST_SETS)
    values = dict(zip(_KEYS, TEST_SETS[name][1], strict=True))
    return {key: values.get(key, math.nan) for key in METRICS}


def check_pairs(name: str, names: Sequence[str] | None) -> None:
    """``ValueError`` unless images of these names, without suffix, can be the set ``name``.

    The names are those of ``datasets/lrrnet_pairs.txt``, of the visible or the infrared files. Of
    the 19 pairs beside TNO's the authors' code gives only the ending, so their number is checked.
    """
    check_choice("unknown set of pairs", name, TEST_SETS)
    count, _ = TEST_SETS[name]
    if names is None or len(names) != count:
        given = "no folder" if names is None else f"{len(names)} images"
        raise ValueError(f"--set {name} has {count} pairs, --rgb is {given}: give the whole set")
    listed = set(read_pair_names())
    unlisted = [stem for stem in names if stem not in listed]
    if len(unlisted) > count - len(listed) // 2:
        raise ValueError(
            f"--set {name}: {unlisted[0]!r} is none of its files, which are named as in "
            "datasets/lrrnet_pairs.txt"
        )


def read_pair_names() -> list[str]:
    """Names without suffix of the listed files, visible and infrared ones."""
    text = (folder("datasets") / "lrrnet_pairs.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return [file.rpartition(".")[0] for row in rows for file in row]
