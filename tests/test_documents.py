"""The documents say what is so: paths exist, layers are the linter's, versions and checks agree."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from rgbt_track import __version__, cli
from rgbt_track.config.experiments import experiment_names
from rgbt_track.config.image_fusion import load_image_experiment
from rgbt_track.image_fusion.training.ablation import find_variants
from rgbt_track.vot.paper_table import PAPER_TRACKERS

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


def options_of(name: str) -> set[str]:
    """The options of a command: ``fuse``, ``vot table``."""
    group, _, own = name.rpartition(" ")
    target = {"": cli.Commands, "vot": cli.VotCommands}[group].lazy[own]
    command = cli.LazyCommand(own, *target).load()
    return {option for parameter in command.params for option in parameter.opts}


def test_the_commands_for_the_papers_tables_take_what_they_are_given() -> None:
    text = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    called = r"`(fuse|fuse-table|fuse-ablation|info|vot table) ([^`]+)`"
    commands = re.findall(called, text)
    assert len(commands) >= 8
    for name, rest in commands:
        words = shlex.split(rest)
        assert {word for word in words if word.startswith("-")} <= options_of(name), (name, rest)
        find_variants(None, [b for a, b in pairwise(words) if a == "--only"])
    for setting in re.findall(r"--vary ([\w.]+=[\d.]+)", text):
        load_image_experiment("lrrnet", [setting])
    others = re.findall(r"`[^`]*(training\.distinct_pairs[^`]+)`", text)
    assert others and all(load_image_experiment("lrrnet", shlex.split(given)) for given in others)


def test_the_papers_systems_are_experiments() -> None:
    text = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| [^|]+ \| ((?:`\w+`(?:, )?)+) \|", text.partition("## Equations")[0], re.M
    )
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {*PAPER_TRACKERS, "lrrtrack_r50", "lrrnet", "lrrnet_paper", "lrcfuse"} <= named
    assert named <= {*experiment_names("tracking"), *experiment_names("image_fusion")}


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
