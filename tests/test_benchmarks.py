"""The benchmark scripts: what they compare, in which order, and what they say without a GPU."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from test_engines import TINY, lively_network, tiny_config

from rgbt_track.config.tracker import load_experiment
from rgbt_track.pairs.sources import pair_dataset
from rgbt_track.synthetic.dataset import synthesize_sequences


def test_functions_run_turn_by_turn_and_the_first_turns_do_not_count(load_benchmark) -> None:
    interleaved: ModuleType = load_benchmark("interleaved")
    calls: list[str] = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    times = interleaved.measure(functions, turns=3, warm_up=1)
    assert calls == list("ab" * 4) and set(times) == {"a", "b"}
    assert all(value >= 0 for item in times.values() for value in item)
    with pytest.raises(ValueError, match="0 turns measure nothing"):
        interleaved.measure(functions, 0)


def test_ratios_are_of_the_reference(load_benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    interleaved: ModuleType = load_benchmark("interleaved")
    times = {"slow": interleaved.Times(0.4, 0.8), "fast": interleaved.Times(0.1, 0.4)}
    interleaved.print_ratios(times, "slow")
    row = capsys.readouterr().out.splitlines()[-1].split()
    assert row == ["fast", "100.0", "4.00", "400.0", "2.00"]


def test_without_a_gpu_one_line_says_so(load_benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"^torch sees no GPU here; .* measures the CPU$"):
        load_benchmark("gpu").main([])


def test_what_runs_on_a_gpu_runs_on_the_cpu_without_graphs_and_pinned_memory(
    load_benchmark, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu: ModuleType = load_benchmark("gpu")
    config, cpu = tiny_config(TINY), torch.device("cpu")
    network = lively_network(config)
    sizes = config.tracking.template_size, config.tracking.search_size
    names = {gpu.EAGER: torch.float32, "bf16": torch.bfloat16}
    variants = {name: gpu.Search(network, cpu, dtype, sizes) for name, dtype in names.items()}
    crops = np.random.default_rng(0).integers(0, 256, (2, 1, 3, sizes[1], sizes[1]))
    gpu.print_differences(variants, crops.astype(np.float32))
    gpu.print_frames(network, config, cpu, turns=1)
    said = capsys.readouterr().out.splitlines()
    exact, rounded = (float(row.split()[-1]) for row in said[2:4])
    assert exact == 0 < rounded < 0.1
    assert sum("a further target costs" in row for row in said) == 3


def test_the_cost_of_a_further_target(load_benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    load_benchmark("many_targets").main(["matching", "--targets", "2", "--turns", "2"])
    rows = capsys.readouterr().out.splitlines()
    assert re.match(r" +1 +\S+ ms +\S+ ms +1\.00 +1\.00", rows[2])
    assert re.match(r" +2 +\S+ ms +\S+ ms +-?\d\.\d\d", rows[3])


def test_a_start_that_fails_says_what_the_command_said(load_benchmark, tmp_path: Path) -> None:
    (scene,) = synthesize_sequences(tmp_path, count=1, frames=2)
    with pytest.raises(ValueError, match="unknown name 'lrrtrack_big'"):
        load_benchmark("start_time").run("lrrtrack_big", "fp32", "auto", "off", scene)


def test_threads_are_compared_with_the_first_count(
    load_benchmark, capsys: pytest.CaptureFixture[str]
) -> None:
    load_benchmark("thread_counts").main(["matching", "--counts", "1", "2", "--turns", "1"])
    said, _, first, second = capsys.readouterr().out.splitlines()
    assert said.startswith("matching, ms, medians of 1 turns; its own: ")
    assert re.match(r"1 threads +\S+ +1\.00 +\S+ +1\.00$", first)
    assert re.match(r"2 threads +\S+ +\d+\.\d\d +\S+ +\d+\.\d\d$", second)


def test_the_parts_of_a_frame_make_up_the_frame(
    load_benchmark, capsys: pytest.CaptureFixture[str]
) -> None:
    load_benchmark("frame_parts").main(
        ["matching", "--engine", "torch", "--precision", "fp32", "--turns", "1"]
    )
    rows = [row.rsplit(maxsplit=1) for row in capsys.readouterr().out.splitlines()[1:]]
    times = {name.strip(): float(value) for name, value in rows}
    assert {"crops", "decision", "selection of a box", "the rest"} < set(times)
    whole = times.pop("a frame")
    assert whole > 0 and sum(times.values()) == pytest.approx(whole, abs=0.01)


def test_every_shipped_tracker_can_be_trained_on_the_benchmarks_pairs(
    load_benchmark, tmp_path: Path
) -> None:
    """Settings that need sources of another kind are off: a batch can be drawn."""
    script = load_benchmark("train_step")
    for name in ("lrrtrack_small", "lrrtrack_lite"):
        config = script.with_synthetic_source(load_experiment(name), tmp_path / name)
        assert pair_dataset(config)[(0, 0)]
