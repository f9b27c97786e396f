"""Write ``reference.json`` anew."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from pinned.boxes import SCENARIOS, boxes, responses
from pinned.scores import BENCHMARKS, benchmark_scores, folder_scores
from pinned.synthetic import pictures
from pinned.training import fused, losses, packed, pseudo_boxes


def collect(folder: Path) -> dict[str, Any]:
    """All of it, computed in an empty folder."""
    sequences = folder / "sequences"
    return {
        "pictures": pictures(sequences),
        "boxes": {
            tracker: {name: boxes(sequences, tracker, case) for name, case in cases.items()}
            for tracker, cases in SCENARIOS.items()
        },
        "responses": responses(),
        "packed": packed(sequences, folder / "plain.lmdb"),
        "pseudo_boxes": pseudo_boxes(sequences, folder / "unlabelled"),
        "losses": losses(sequences, folder / "plain.lmdb", folder / "training"),
        "fused": fused(sequences, folder / "fused"),
        "benchmark_scores": {name: benchmark_scores(name) for name in BENCHMARKS},
        "folder_scores": folder_scores(sequences, folder / "results"),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        text = json.dumps(collect(Path(name)), separators=(",", ":"))
    path = Path(__file__).with_name("reference.json")
    path.write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")
