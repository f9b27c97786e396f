"""Teachers for the tests: one in Python that finds the brightest spot, and one of ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rgbt_track.models.teacher import response_points


class StubTeacher:
    """The target is all that is as bright as the template's middle; without any, its box stays."""

    template_size = 31
    search_size = 63
    stride = 8
    context = 0.5

    def __init__(self) -> None:
        self.asked = 0

    def template(self, crop: np.ndarray) -> tuple[float, int]:
        assert crop.shape == (31, 31, 3) and crop.dtype == np.uint8
        level = float(crop[14:17, 14:17].mean())
        return level, int((np.abs(crop.mean(2) - level) < 40).sum(1).max())

    def respond(self, kernel: tuple[float, int], crop: np.ndarray) -> tuple[Any, Any]:
        assert crop.shape == (63, 63, 3) and crop.dtype == np.uint8
        self.asked += 1
        level, side = kernel
        points = response_points(7, self.stride)
        likeness = np.exp(-np.abs(crop.mean(2) - level) / 20)
        places = np.round(points + 31).astype(int)
        probability = likeness[places[..., 1], places[..., 0]] * 0.98 + 0.01
        y, x = np.nonzero(likeness > 0.4)
        if len(x):
            box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1]) - 31.5
        else:
            box = np.array([-side, -side, side, side]) / 2
        return probability, np.broadcast_to(box, (7, 7, 4)).copy()


def write_onnx_teacher(folder: Path, bad_head: bool = False) -> None:
    """Average pooling as the backbone; the head scores likeness to the template's mean value.

    Features (1, 1, H / 8, W / 8); logits +-(10 - |search - mean of template| / 4), boxes of 20
    pixels around each point.
    """
    from onnx import TensorProto, checker, helper, save

    folder.mkdir(parents=True, exist_ok=True)

    def value(name: str, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def constant(name: str, values: list[float], *shape: int) -> Any:
        return helper.make_tensor(name, TensorProto.FLOAT, shape, values)

    def write(part: str, nodes: list[Any], inputs: Any, outputs: Any, constants: Any) -> None:
        graph = helper.make_graph(nodes, part, inputs, outputs, constants)
        opset = [helper.make_opsetid("", 14)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        checker.check_model(model)
        save(model, str(folder / f"{part}.onnx"))

    # The weights tell the channels apart: blue counts, as far as the backbone takes BGR.
    write(
        "backbone",
        [
            helper.make_node("Conv", ["input", "weights"], ["gray"]),
            helper.make_node(
                "AveragePool", ["gray"], ["output"], kernel_shape=[9, 9], strides=[9, 9]
            ),
        ],
        [value("input", 1, 3, 63, 63)],
        [value("output", 1, 1, 7, 7)],
        [constant("weights", [1.0, 0.0, 0.0], 1, 3, 1, 1)],
    )
    sides = [10.0] * (3 if bad_head else 4)
    write(
        "head",
        [
            helper.make_node("GlobalAveragePool", ["kernel"], ["level"]),
            helper.make_node("Sub", ["search", "level"], ["difference"]),
            helper.make_node("Abs", ["difference"], ["distance"]),
            helper.make_node("Mul", ["distance", "quarter"], ["scaled"]),
            helper.make_node("Sub", ["ten", "scaled"], ["target"]),
            helper.make_node("Neg", ["target"], ["background"]),
            helper.make_node("Concat", ["background", "target"], ["logits"], axis=1),
            helper.make_node("Mul", ["search", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "sides"], ["distances"]),
        ],
        [value("kernel", 1, 1, 3, 3), value("search", 1, 1, 7, 7)],
        [value("logits", 1, 2, 7, 7), value("distances", 1, len(sides), 7, 7)],
        [
            constant("quarter", [0.25], 1),
            constant("ten", [10.0], 1),
            constant("zero", [0.0], 1),
            constant("sides", sides, 1, len(sides), 1, 1),
        ],
    )
    (folder / "teacher.yaml").write_text("template_size: 27\nsearch_size: 63\nstride: 9\n")
