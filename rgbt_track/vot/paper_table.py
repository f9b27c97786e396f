"""LRRNet's Table 8 by our own trackers: each system of the paper, and the row it belongs beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rgbt_track.io.tables import Cell, Table
from rgbt_track.vot.published import VOT_RGBT2020, VOTScore

PAPER_TRACKERS: dict[str, str | None] = {
    "siamrpn_rgb": "AFAT (RGB)",
    "siamrpn_tir": "AFAT (infrared)",
    "early_fusion": None,
    "dfat": "DFAT",
    "dfat_rfn": "DFAT+RFN",
    "lrrnet_tracker": "DFAT+LRRNet",
}
"""Our experiment -> the published row. AFAT, another tracker, stands for one modality alone."""

COLUMNS = ("tracker", "EAO", "A", "R", "in the paper", "its EAO", "its A", "its R")


def paper_table(
    measured: Mapping[str, VOTScore | None], labels: Mapping[str, str], *, published: bool = True
) -> Table:
    """Measured rows in the order of ``measured``, each beside its published one.

    Published rows without a counterpart follow.

    Args:
        measured: our tracker -> its scores; ``None`` where there are none.
        labels: our tracker -> what the table calls it.
        published: whether to set published rows beside; without, those of ours alone.
    """
    if not published:
        own = [(labels.get(name, name), *_cells(score)) for name, score in measured.items()]
        return Table("The systems of LRRNet's Table 8", COLUMNS[:4], tuple(own))
    rows = []
    for name, score in measured.items():
        row = PAPER_TRACKERS.get(name)
        rows.append((labels.get(name, name), *_cells(score), row or "", *_published(row)))
    shown = {PAPER_TRACKERS.get(name) for name in measured}
    rest = [name for name in VOT_RGBT2020 if name not in shown]
    rows += [("", None, None, None, name, *_published(name)) for name in rest]
    return Table("Table 8 of LRRNet, VOT-RGBT", COLUMNS, tuple(rows))


def _cells(score: Sequence[float] | None) -> tuple[Cell, ...]:
    return (None, None, None) if score is None else tuple(map(float, score))


def _published(name: str | None) -> tuple[Cell, ...]:
    return _cells(VOT_RGBT2020[name] if name is not None else None)
