"""Training pairs per second from one packed LMDB file and from image files, in one run.

    python benchmarks/lmdb_pairs.py plain --root DIR [--experiment lrrtrack_r50] [--pairs 200]

Both stores serve the same pairs (same seed) to the same augmentation, in turns, in one thread; the
table gives medians over the turns, of reading alone and of whole pairs.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2

from rgbt_track.config.pairs import SourceConfig
from rgbt_track.config.tracker import load_experiment
from rgbt_track.data import open_dataset
from rgbt_track.pairs.dataset import PairDataset
from rgbt_track.pairs.lmdb_pack import pack_lmdb
from rgbt_track.pairs.sampler import pair_generator
from rgbt_track.pairs.sources import pair_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dataset")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--experiment", default="lrrtrack_r50")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    config = load_experiment(arguments.experiment)
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "packed.lmdb"
        began = time.perf_counter()
        sequences = open_dataset(arguments.dataset, arguments.root)
        pack_lmdb(sequences, packed, config.training.store, workers=2)
        print(f"packing: {time.perf_counter() - began:.1f} s, {packed.stat().st_size / 1e6:.0f} MB")
        files = SourceConfig(dataset=arguments.dataset, folder=str(arguments.root))
        sources = {"image files": files, "LMDB": SourceConfig(lmdb=str(packed))}
        datasets = {}
        for name, source in sources.items():
            training = dataclasses.replace(config.training, root=".", sources=(source,))
            datasets[name] = pair_dataset(dataclasses.replace(config, training=training))
        compare(datasets, arguments.pairs, arguments.turns)


def compare(datasets: dict[str, PairDataset], pairs: int, turns: int) -> None:
    """Measure all data sets in turns and print the medians."""
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in datasets}
    for turn in range(turns):
        for name, dataset in datasets.items():
            rates[name].append((read_rate(dataset, turn, pairs), pair_rate(dataset, turn, pairs)))
    print(f"{'store':<12} {'crops/s read':>13} {'pairs/s':>9}   medians of {turns} turns")
    medians = {
        name: [statistics.median(column) for column in zip(*values, strict=True)]
        for name, values in rates.items()
    }
    for name, (reading, pairing) in medians.items():
        print(f"{name:<12} {reading:>13.0f} {pairing:>9.1f}")
    ratios = [b / a for a, b in zip(medians["image files"], medians["LMDB"], strict=True)]
    print(f"{'ratio':<12} {ratios[0]:>13.1f} {ratios[1]:>9.1f}")


def read_rate(dataset: PairDataset, turn: int, pairs: int) -> float:
    """Crops read per second."""
    began, crops = time.perf_counter(), 0
    for index in range(pairs):
        draw = dataset.sampler.draw(pair_generator(0, turn, index))
        for address in (draw.template, draw.search, draw.background):
            if address is not None:
                dataset.sampler.stores[address.source].read(address.track, address.position)
                crops += 1
    return crops / (time.perf_counter() - began)


def pair_rate(dataset: PairDataset, turn: int, pairs: int) -> float:
    """Pairs made per second."""
    began = time.perf_counter()
    for index in range(pairs):
        dataset[turn, index]
    return pairs / (time.perf_counter() - began)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
