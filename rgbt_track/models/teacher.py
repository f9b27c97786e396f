"""A teacher: another tracker's network, whose responses label video and guide the training.

Anything with the methods and sizes of ``Teacher`` is one. ``OnnxTeacher`` reads a folder of ONNX
files, a backbone and a head, as published trackers of the SiamRPN family are exported. Their files
stay where they are: nothing of a teacher goes into a student's weights.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rgbt_track.config.bounds import MAX_SIDE, check_bounds
from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.resources import require
from rgbt_track.user_modules import find_user_module

Crop = NDArray[np.uint8]
Array = NDArray[np.floating]

_SETTINGS = "teacher.yaml"


class Teacher(Protocol):
    """A template and a search side on crops of one modality.

    Args:
        template_size: side of the template crop in pixels; it shows one context side (see
            ``crops.context_side``).
        search_size: side of the search crop, on the same scale.
        stride: pixels between the cells of a response, which is centered on the search crop.
        context: context around the target, as a share of its width plus height.
    """

    @property
    def template_size(self) -> int: ...

    @property
    def search_size(self) -> int: ...

    @property
    def stride(self) -> int: ...

    @property
    def context(self) -> float: ...

    def template(self, crop: Crop) -> Any:
        """What is to be found, of a crop (T, T, 3) uint8 RGB; a thermal one repeats its channel."""
        ...

    def respond(self, kernel: Any, crop: Crop) -> tuple[Array, Array]:
        """Search a crop (X, X, 3) uint8 RGB for what ``template`` returned.

        Returns the probability (S, S) in [0, 1] of the target at each cell, and its box (S, S, 4)
        as left, top, right, bottom in pixels from the crop's center.
        """
        ...


@dataclass(frozen=True)
class TeacherSettings:
    """Sizes of an ONNX teacher, the optional ``teacher.yaml`` of its folder; NanoTrack's as given.

    Args:
        template_size, search_size, stride, context: see ``Teacher``.
        channels: order of the channels that the backbone expects.
    """

    template_size: int = 127
    search_size: int = 255
    stride: int = 16
    context: float = 0.5
    channels: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        sides = (16, MAX_SIDE)
        check_bounds(self, template_size=sides, search_size=sides, stride=(1, 256))
        check_bounds(self, context=(0, 100))


class OnnxTeacher:
    """A folder with ``backbone.onnx`` and ``head.onnx``, run by onnxruntime; picklable.

    The backbone maps a crop (1, 3, H, W) in 0..255 to features. The head maps the features of
    template and search crop to logits (1, 2, S, S), background first, and to distances (1, 4, S, S)
    from a cell's point to the left, top, right and bottom side of the box, in pixels of the crop.

    Args:
        folder: where the files lie, and ``teacher.yaml`` if its sizes are not NanoTrack's.
        threads: of onnxruntime; 1 for workers that run side by side.

    Raises ``FileNotFoundError`` for missing files, ``ModuleNotFoundError`` with the remedy for
    missing packages, and ``ValueError`` for settings or networks that do not fit.
    """

    def __init__(self, folder: str | Path, threads: int = 1):
        require("onnx", "onnx", "onnxruntime")
        self.folder = Path(folder)
        for part in ("backbone", "head"):
            if not (self.folder / f"{part}.onnx").is_file():
                raise FileNotFoundError(
                    f"no {part}.onnx in {self.folder}; a teacher is a folder with backbone.onnx "
                    "and head.onnx"
                )
        path = self.folder / _SETTINGS
        values = read_yaml(path) if path.is_file() else {}
        self.settings = from_mapping(TeacherSettings, values, str(path))
        self.threads = threads
        self._sessions: tuple[int, dict[str, Any]] = (0, {})

    @property
    def template_size(self) -> int:
        """Side of the template crop in pixels."""
        return self.settings.template_size

    @property
    def search_size(self) -> int:
        """Side of the search crop in pixels."""
        return self.settings.search_size

    @property
    def stride(self) -> int:
        """Pixels of the search crop between cells."""
        return self.settings.stride

    @property
    def context(self) -> float:
        """Context around the target, as a share of its width plus height."""
        return self.settings.context

    def template(self, crop: Crop) -> NDArray[np.float32]:
        """The backbone's features of a template crop; see ``Teacher``."""
        return self._features(crop)

    def respond(self, kernel: NDArray[np.float32], crop: Crop) -> tuple[Array, Array]:
        """Probabilities and boxes; see ``Teacher``."""
        logits, distances = self._run("head", kernel, self._features(crop))
        size = logits.shape[-1]
        if logits.shape != (1, 2, size, size) or distances.shape != (1, 4, size, size):
            raise ValueError(
                f"{self.folder / 'head.onnx'}: outputs {logits.shape} and {distances.shape}; "
                "expected (1, 2, S, S) and (1, 4, S, S)"
            )
        margin = np.asarray(logits[0, 1] - logits[0, 0], float)
        probability = 0.5 * (1 + np.tanh(0.5 * margin))
        points = response_points(size, self.stride)
        sides = distances[0].transpose(1, 2, 0)
        boxes = np.concatenate([points - sides[..., :2], points + sides[..., 2:]], axis=-1)
        return probability, boxes

    def _features(self, crop: Crop) -> NDArray[np.float32]:
        pixels = crop[..., ::-1] if self.settings.channels == "bgr" else crop
        tensor = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
        features: NDArray[np.float32] = self._run("backbone", tensor)[0]
        return features

    def _run(self, part: str, *inputs: NDArray[np.float32]) -> list[Any]:
        process, sessions = self._sessions
        if process != os.getpid():
            sessions = {name: self._open(name) for name in ("backbone", "head")}
            self._sessions = (os.getpid(), sessions)
        session = sessions[part]
        names = [each.name for each in session.get_inputs()]
        return list(session.run(None, dict(zip(names, inputs, strict=True))))

    def _open(self, part: str) -> Any:
        import onnx
        import onnxruntime

        path = self.folder / f"{part}.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3  # errors
        # Threads that spin while they wait slow down whatever else the machine does.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            model = onnx.load(path)
            # Template and search crop differ in size, so the exported sizes become free.
            for value in [*model.graph.input, *model.graph.output]:
                for axis, size in enumerate(value.type.tensor_type.shape.dim):
                    if axis > 1:
                        size.dim_param = f"{value.name}_{axis}"
            del model.graph.value_info[:]
            return onnxruntime.InferenceSession(model.SerializeToString(), options)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{path}: not a network that onnxruntime can run: {reason}") from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sessions": (0, {})}


def response_points(size: int, stride: int) -> NDArray[np.float64]:
    """(S, S, 2) x, y of a response's cells, in pixels from the search crop's center."""
    places = (np.arange(size) - (size - 1) / 2) * stride
    return np.stack(np.meshgrid(places, places), axis=-1)


def load_teacher(address: str | Path, threads: int = 1) -> Teacher:
    """A folder of ONNX files, or somebody else's ``package.module:factory``, called without
    arguments.

    Raises as ``OnnxTeacher`` does, and ``ValueError`` for a dotted path that leads nowhere.
    """
    if Path(address).exists() or ":" not in str(address):
        if not Path(address).is_dir():
            raise FileNotFoundError(f"no such teacher: {address}; expected a folder of ONNX files")
        return OnnxTeacher(address, threads)
    find_user_module(str(address), [Path()])
    module, _, attribute = str(address).partition(":")
    try:
        teacher: Teacher = getattr(importlib.import_module(module), attribute)()
    except (Exception, SystemExit) as error:  # a module of anybody's may raise anything
        raise ValueError(
            f"no teacher {str(address)!r}: {type(error).__name__}: {error}; expected a folder or "
            "package.module:factory"
        ) from error
    if not all(callable(getattr(teacher, call, None)) for call in ("template", "respond")):
        raise ValueError(f"{address} gave a {type(teacher).__name__}; expected a teacher")
    return teacher
