"""What a wheel carries, and what an import loads."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

from rgbt_track.resources import folder

ROOT = Path(__file__).parents[1]


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    return config


def test_every_package_is_listed() -> None:
    listed = set(setup_cfg()["options"]["packages"].split())
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("fusion_modules", "rgbt_track")
        for path in (ROOT / top).rglob("*.py")
    }
    assert found == listed - {"rgbt_track.experiments", "rgbt_track.datasets"}


@pytest.mark.parametrize("name", ["datasets", "experiments", "tests"])
def test_plain_folders_are_no_packages(name: str) -> None:
    assert not (ROOT / name / "__init__.py").exists()


def test_extras_name_no_unknown_extra() -> None:
    extras = setup_cfg()["options.extras_require"]
    for requirements in extras.values():
        for line in requirements.split():
            if line.startswith("%("):
                assert line[2:-2] in extras


@pytest.mark.parametrize("kind", ["experiments", "datasets"])
def test_shipped_files_are_found_from_anywhere(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(folder(kind).glob("*.yaml"))


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("rgbt_track", ["torch", "cv2", "lightning", "matplotlib", "vot", "trax"]),
        ("rgbt_track.cli", ["torch", "cv2", "lightning", "matplotlib", "vot", "trax"]),
        ("rgbt_track.tracking.loading", ["lightning", "matplotlib", "vot", "lmdb", "trax"]),
        ("rgbt_track.vot.process", ["lightning", "matplotlib", "vot", "lmdb"]),
    ],
)
def test_an_import_loads_no_more_than_it_needs(module: str, forbidden: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {forbidden} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
