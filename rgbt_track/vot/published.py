"""Published results on VOT2020-RGBT, for comparison.

Source: H. Li et al., *LRRNet*, TPAMI 45(9), 2023, Table 8. EAO is not comparable between
workspaces: these numbers belong to the 60 sequences and the stack of VOT2020-RGBT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rgbt_track.io.tables import Cell, Table


class VOTScore(NamedTuple):
    """Expected average overlap, accuracy and robustness of the anchor-based VOT protocol."""

    eao: float
    accuracy: float
    robustness: float


VOT_RGBT2020 = {
    "AFAT (RGB)": VOTScore(0.3291, 0.6352, 0.6691),
    "AFAT (infrared)": VOTScore(0.2653, 0.5733, 0.5881),
    "RFNT": VOTScore(0.3710, 0.6680, 0.7260),
    "M2C2Frgbt": VOTScore(0.3320, 0.6360, 0.7220),
    "DFAT": VOTScore(0.4079, 0.6739, 0.7785),
    "DFAT+RFN": VOTScore(0.3840, 0.6522, 0.7607),
    "DFAT+LRRNet": VOTScore(0.4143, 0.6780, 0.7929),
}


def published_vot_rgbt2020(
    measured: Mapping[str, tuple[float, float, float]] | None = None,
) -> Table:
    """The published table as rows tracker, source, EAO, A, R, best EAO first.

    ``measured`` adds trackers as (EAO, A, R), marked as measured here. ``tables`` prints it.
    """
    rows: list[tuple[Cell, ...]] = [
        (name, "published", *score) for name, score in VOT_RGBT2020.items()
    ]
    rows += [(name, "measured here", *score) for name, score in (measured or {}).items()]
    rows.sort(key=lambda row: -float(row[2] or 0))
    columns = ("tracker", "source", "EAO", "A", "R")
    return Table("VOT2020-RGBT", columns, tuple(rows))
