"""The documents say what is so: paths exist, layers hold, versions and checks agree."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rgbt_track import __version__

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("[a-z]*/*.md"), *ROOT.glob("*/weights/*.md")])
FOLDERS = "rgbt_track|fusion_modules|tests|docs|experiments|datasets|benchmarks|.ci"
STEP = re.compile(r"^\d+\. `([^`]+)` `([^`]+)`: .+\.$", re.M)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_in_a_document_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = re.findall(rf"(?<![\w./])((?:{FOLDERS})/[\w./-]*\w/?)", text)
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    missing = [path for path in named if not (ROOT / path).exists()]
    missing += [path for path in links if not (document.parent / path).exists()]
    assert not missing, f"{document.name} names what is not there"


def defined(path: Path) -> Iterator[str]:
    """Names that a module defines at its top, and ``Class.method``."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name
            members = node.body if isinstance(node, ast.ClassDef) else []
            yield from (f"{node.name}.{m.name}" for m in members if isinstance(m, ast.FunctionDef))


def test_the_walk_leads_past_what_is_there() -> None:
    steps = STEP.findall(CONTRIBUTING)
    walk = CONTRIBUTING.partition("## A walk")[2]
    assert len(steps) == len(re.findall(r"^\d+\. ", walk, re.M)) >= 20
    for file, name in steps:
        assert name in defined(ROOT / file), f"CONTRIBUTING.md: {file} defines no {name}"


def floors() -> dict[str, int]:
    """Folder or module of ``rgbt_track`` -> its floor in CONTRIBUTING.md."""
    rows = re.findall(r"^\| (\d), .+? \| (.+) \|$", CONTRIBUTING, re.M)
    return {name: int(floor) for floor, names in rows for name in re.findall(r"`(\w+)`", names)}


def imported(path: Path) -> Iterator[str]:
    """The parts of ``rgbt_track`` that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "rgbt_track":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rgbt_track."):
            yield node.module.split(".")[1]  # type: ignore[union-attr]


def test_nothing_imports_upwards_and_no_two_folders_each_other() -> None:
    package, floor_of = ROOT / "rgbt_track", floors()
    parts = {path.relative_to(package).parts[0].removesuffix(".py") for path in modules()}
    assert set(floor_of) == parts
    arrows = {
        (path.relative_to(package).parts[0].removesuffix(".py"), other): path
        for path in modules()
        for other in imported(path)
        if other in parts
    }
    assert len(arrows) > 30
    for (part, other), path in arrows.items():
        assert floor_of[other] <= floor_of[part], f"{path}: imports upwards, from {other}"
        assert part == other or (other, part) not in arrows, f"{path}: a circle with {other}"


def modules() -> list[Path]:
    """Every module of ``rgbt_track`` but its ``__init__`` and ``__main__``, which are its faces."""
    package = ROOT / "rgbt_track"
    return [path for path in package.rglob("*.py") if path.parent != package or path.stem[0] != "_"]


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    return config


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == __version__
    assert citation["license"] == setup_cfg()["metadata"]["license"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {__version__}" in changelog and "\n## [Unreleased]" in changelog


def test_ci_runs_everything_on_every_python() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)["jobs"]["tests"]
    classifiers = re.findall(r"Python :: (3\.\d+)", setup_cfg()["metadata"]["classifiers"])
    assert job["strategy"]["matrix"]["python"] == classifiers
    assert {"run": ".ci/run"} in job["steps"]


def test_hooks_are_the_linters_of_ci_and_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    (repository,) = config["repos"]
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    entries = {" ".join(hook["entry"].split()[:2]) for hook in repository["hooks"]}
    linters = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert entries == {"ruff check", "ruff format"} and all(entry in linters for entry in entries)


def test_the_readme_links_them() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CITATION.cff"):
        assert f"]({name})" in readme, name
