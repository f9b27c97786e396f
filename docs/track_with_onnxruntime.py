"""Track with an exported tracker: `track_with_onnxruntime.py EXPORT COLOR THERMAL x,y,w,h`."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

folder, color, thermal = map(Path, sys.argv[1:4])
config = json.loads((folder / "export.json").read_text(encoding="utf-8"))["config"]
model, tracking = config["model"], config["tracking"]
stride, branches = model["anchors"]["stride"], model["branches"]


def run(name, inputs):
    if name not in sessions:
        sessions[name] = ort.InferenceSession(folder / f"{name}.onnx")
    session = sessions[name]
    outputs = session.run(None, {node.name: inputs[node.name] for node in session.get_inputs()})
    return dict(zip([node.name for node in session.get_outputs()], outputs, strict=True))


def cut(image, side, size):  # a square around the target, outside of the image its mean
    left, top, scale = np.floor(x - side / 2 + 0.5), np.floor(y - side / 2 + 0.5), size / side
    shift = np.array([(0.5 - left) * scale - 0.5, (0.5 - top) * scale - 0.5])
    matrix, mean = np.c_[scale * np.eye(2), shift], image.mean((0, 1)).tolist()
    crop = cv2.warpAffine(image, matrix, (size, size), borderValue=mean)
    return crop[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)  # BGR to RGB


def change(ratio):
    return np.maximum(ratio, 1 / ratio)


def padded_side(w, h):
    return np.sqrt((w + tracking["context"] * (w + h)) * (h + tracking["context"] * (w + h)))


widths = [int(stride / np.sqrt(ratio)) for ratio in model["anchors"]["ratios"]]
heights = np.multiply(widths, model["anchors"]["ratios"]).astype(int)
sides = np.multiply.outer([widths, heights], model["anchors"]["scales"]).reshape(2, -1, 1, 1)
x, y, w, h = map(float, sys.argv[4].split(","))
x, y, template, sessions = x + w / 2, y + h / 2, None, {}
for paths in zip(sorted(color.iterdir()), sorted(thermal.iterdir()), strict=True):
    images = {"rgb": cv2.imread(str(paths[0])), "tir": cv2.imread(str(paths[1]))}
    side, size = padded_side(w, h), tracking["template_size"]
    if template is None:
        crops = {name: cut(image, round(side), size) for name, image in images.items()}
        scale, center = size / round(side), np.array([x, y])
        corner = np.floor(center - round(side) / 2 + 0.5)
        target = np.concatenate([(center - corner) * scale - size / 2, [w * scale, h * scale]])
        template = run("template", {**crops, "target": target[None].astype(np.float32)})
    side, size = round(side * tracking["search_size"] / size), tracking["search_size"]
    crops = {name: cut(image, side, size) for name, image in images.items()}
    out = run("search", {**crops, **template})
    cls, loc = (np.mean([out[f"{name}_{part}"] for name in branches], 0) for part in ("cls", "loc"))
    cells = cls.shape[-1]
    background, target = cls.reshape(2, -1, cells, cells)
    loc, grid = loc.reshape(4, -1, cells, cells), (np.arange(cells) - (cells - 1) / 2) * stride
    probability = 1 / (1 + np.exp(background - target))
    across, down = loc[0] * sides[0] + grid, loc[1] * sides[1] + grid[:, None]
    wide, high = np.exp(loc[2:]) * sides * side / size
    penalty = change(padded_side(wide, high) / padded_side(w, h)) * change((w / h) / (wide / high))
    penalty = np.exp((1 - penalty) * tracking["penalty_k"])
    window = np.outer(np.hanning(cells), np.hanning(cells)) * tracking["window_influence"]
    score = probability * penalty * (1 - tracking["window_influence"]) + window
    best = np.unravel_index(score.argmax(), score.shape)
    rate = probability[best] * penalty[best] * tracking["size_lr"]
    x, y = x + across[best] * side / size, y + down[best] * side / size
    w, h = w + rate * (wide[best] - w), h + rate * (high[best] - h)
    print(f"{x - w / 2:.2f},{y - h / 2:.2f},{w:.2f},{h:.2f}")
