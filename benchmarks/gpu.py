"""A frame on a GPU: precisions, CUDA graphs, torch.compile, batches of targets.

    python benchmarks/gpu.py [lrrtrack_r50] [--turns 50] [--device cuda] [--compile]

Times are of the network's search side, crops on the host to responses on the host, turn by turn:
the eager network in fp32, folded, fp16 and bf16, each also with crops from pinned memory copied
without waiting, and as a CUDA graph, which is replayed with the crops copied into its inputs.
--compile adds torch.compile (minutes to set up). Then ``update`` end to end, and what a further
target costs in ``update_many``. TF32 is off, so that fp32 means the same as on a CPU. Responses
are compared with those of the eager network. Weights may be untrained: the time is the same.
"""

from __future__ import annotations

import argparse
import copy
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from frame_time import BOX
from interleaved import measure, print_ratios
from torch import Tensor

from rgbt_track.modalities import MODALITIES
from rgbt_track.models.engines.torch_engine import TorchEngine
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.tracking.loading import load_network, read_config
from rgbt_track.tracking.tracker import Tracker

EAGER = "eager fp32"
Responses = dict[str, tuple[np.ndarray, np.ndarray]]


class Search:
    """The search side of a network on a GPU, for crops of one size.

    Args:
        network: ready to run, on the CPU.
        device, dtype: where and in what it runs.
        sizes: sides of the template and the search crop.
        pinned: whether crops are copied from pinned memory, without waiting.
        graph: whether a CUDA graph is captured and replayed.
        compiled: whether torch.compile makes the network's kernels.
    """

    def __init__(
        self,
        network: RGBTNetwork,
        device: torch.device,
        dtype: torch.dtype,
        sizes: tuple[int, int],
        pinned: bool = False,
        graph: bool = False,
        compiled: bool = False,
    ) -> None:
        self._network = copy.deepcopy(network).to(device, dtype)
        self._host = torch.empty(2, 1, 3, sizes[1], sizes[1], pin_memory=pinned)
        self._pinned, self._graph = pinned, None
        self._crops = torch.empty(self._host.shape, device=device, dtype=dtype)
        # The same for every variant, whose responses are compared.
        generator = torch.Generator().manual_seed(0)
        template = 255 * torch.rand(2, 1, 3, sizes[0], sizes[0], generator=generator)
        template = template.to(device, dtype)
        box = torch.tensor([[0.0, 0.0, sizes[0] / 2, sizes[0] / 2]], device=device)
        with torch.inference_mode():
            levels = self._network.template_levels(_named(template), box)
            self._kernels = self._network.kernels(levels)
        self._run: Callable[[], dict[str, tuple[Tensor, Tensor]]] = self._search
        if compiled:
            self._run = torch.compile(self._search, mode="max-autotune-no-cudagraphs")
        if graph:
            self._capture()

    def _search(self) -> dict[str, tuple[Tensor, Tensor]]:
        responses = self._network.search(self._kernels, _named(self._crops))
        return {name: (item.cls, item.loc) for name, item in responses.items()}

    def _capture(self) -> None:
        with torch.inference_mode():
            stream = torch.cuda.Stream()
            with torch.cuda.stream(stream):
                for _ in range(3):
                    self._run()
            torch.cuda.current_stream().wait_stream(stream)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._outputs = self._run()

    @torch.inference_mode()
    def __call__(self, crops: np.ndarray) -> Responses:
        """Crops (2, 1, 3, X, X) float32 -> logits and offsets of each branch."""
        self._host.copy_(torch.from_numpy(crops))
        self._crops.copy_(self._host, non_blocking=self._pinned)
        if self._graph is None:
            outputs = self._run()
        else:
            self._graph.replay()
            outputs = self._outputs
        # Reading the outputs waits for them.
        return {
            name: (cls.float().cpu().numpy(), loc.float().cpu().numpy())
            for name, (cls, loc) in outputs.items()
        }


def _named(crops: Tensor) -> dict[str, Tensor]:
    return dict(zip(MODALITIES, crops, strict=True))


def search_variants(
    network: RGBTNetwork, device: torch.device, sizes: tuple[int, int], compiled: bool
) -> dict[str, Search]:
    folded = prepare_for_inference(copy.deepcopy(network))
    variants = {EAGER: Search(network, device, torch.float32, sizes)}
    for label, dtype in (
        ("fp32", torch.float32),
        ("fp16", torch.float16),
        ("bf16", torch.bfloat16),
    ):
        variants[f"folded {label}"] = Search(folded, device, dtype, sizes)
        variants[f"folded {label}, pinned"] = Search(folded, device, dtype, sizes, True)
        variants[f"folded {label}, pinned, graph"] = Search(
            folded, device, dtype, sizes, True, True
        )
        if compiled:
            variants[f"folded {label}, pinned, compiled, graph"] = Search(
                folded, device, dtype, sizes, True, True, True
            )
    return variants


def print_differences(variants: dict[str, Search], crops: np.ndarray) -> None:
    """Largest difference to the eager network, as a share of a response's range."""
    expected = variants[EAGER](crops)
    print("\nlargest difference to the eager network, of a response's range")
    for name, search in variants.items():
        found = search(crops)
        shares = [
            np.abs(a - b).max() / max(np.ptp(a), 1e-6)
            for branch in expected
            for a, b in zip(expected[branch], found[branch], strict=True)
        ]
        print(f"{name:40s}  {max(shares):.1e}")


def print_frames(network: RGBTNetwork, config, device: torch.device, turns: int) -> None:
    """``update`` end to end against eager fp32, and the cost of a further target."""
    config = replace(config, tracking=replace(config.tracking, wide_search_size=0))
    rng = np.random.default_rng(0)
    rgb, tir = rng.integers(0, 256, (2, 480, 640, 3), dtype=np.uint8)
    folded = prepare_for_inference(copy.deepcopy(network))
    engines = {
        EAGER: TorchEngine(copy.deepcopy(network), device),
        "folded fp32": TorchEngine(copy.deepcopy(folded), device),
        "folded bf16": TorchEngine(copy.deepcopy(folded), device, dtype=torch.bfloat16),
    }
    functions: dict[str, Callable[[], object]] = {}
    for name, engine in engines.items():
        tracker = Tracker(engine, config)
        state = tracker.init(rgb, tir, BOX)
        for count in (1, 4):
            states = [state] * count
            label = name if count == 1 else f"{name}, {count} targets"
            functions[label] = lambda tracker=tracker, states=states: tracker.update_many(  # type: ignore[misc]
                rgb, tir, states
            )
    times = measure(functions, turns)
    print("\na frame end to end")
    print_ratios(times, EAGER)
    for name in engines:
        further = (times[f"{name}, 4 targets"].clock - times[name].clock) / 3
        print(f"{name}: a further target costs {further / times[name].clock:.2f} of the first")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracker", nargs="?", default="lrrtrack_r50")
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args(argv)
    if not torch.cuda.is_available():
        raise ValueError("torch sees no GPU here; benchmarks/engines.py measures the CPU")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device, config = torch.device(arguments.device), read_config(arguments.tracker)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # untrained weights take the same time
        network = load_network(arguments.tracker, config).eval().requires_grad_(False)
    sizes = config.tracking.template_size, config.tracking.search_size
    variants = search_variants(network, device, sizes, arguments.compile)
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (2, 1, 3, sizes[1], sizes[1])).astype(np.float32)
    functions = {name: lambda search=search: search(crops) for name, search in variants.items()}
    name = torch.cuda.get_device_name(device)
    print(f"{config.name} on {name}: the search side, medians of {arguments.turns} turns")
    print_ratios(measure(functions, arguments.turns, 10), EAGER)
    print_differences(variants, crops)
    print_frames(network, config, device, arguments.turns)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
