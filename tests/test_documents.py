"""The documents say what is so: paths exist, layers are the linter's, versions and checks agree."""

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


def test_the_floors_are_those_that_the_linter_holds() -> None:
    """The table, read from the bottom floor up and leftmost first, goes up the linter's layers."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.findall(r'"(.+)"', settings.partition("\nlayers = [\n")[2].partition("\n]")[0])
    rank = {name: -row for row, layer in enumerate(layers) for name in layer.split(" | ")}
    rows = re.findall(r"^\| \d, .+? \| (.+) \|$", CONTRIBUTING, re.M)
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(names) == sorted(rank)
    assert [rank[name] for name in names] == sorted(rank.values())


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
