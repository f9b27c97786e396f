"""Brings documents that lie outside of ``docs/`` into the site, and keeps links between them.

README.md is the home page; every other file that a document links to is a page or a download under
``repository/``, at its own path. ``mkdocs.yml`` names this file under ``hooks``.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")
CODE = re.compile(r"(```.*?```)", re.S)


def site_path(path: str) -> str:
    """The place in the site of a file of the repository."""
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else f"repository/{path}"


def repository_path(place: str) -> str:
    """The inverse of ``site_path``."""
    if place == "index.md":
        return "README.md"
    outside = place.removeprefix("repository/")
    return outside if outside != place else f"docs/{place}"


def links(text: str, path: str) -> dict[str, str]:
    """Relative links of a document -> files of the repository; of a folder its README."""
    found = {}
    for _, target, _ in LINK.findall(CODE.sub("", text)):
        linked = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if (ROOT / linked).is_dir():
            linked = f"{linked}/README.md"
        if not linked.startswith("..") and (ROOT / linked).is_file():
            found[target] = linked
    return found


def on_config(config: Any) -> Any:
    """Append documents that ``nav`` does not name, so that a new one is never left out."""
    listed = set(re.findall(r"[\w/]+\.md", str(config["nav"])))
    rest = sorted({path.name for path in (ROOT / "docs").glob("*.md")} - listed)
    if rest:
        config["nav"].append({"More": rest})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the README, and all that is linked from pages, as far as links lead."""
    waiting = ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
    waiting += ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "experiments/README.md"]
    done: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        place = site_path(path)
        if files.get_file_from_path(place) is None:
            data = (ROOT / path).read_bytes()
            content = data.decode("utf-8") if path.endswith(".md") else data
            files.append(File.generated(config, place, content=content))
        if path.endswith(".md"):
            waiting += links((ROOT / path).read_text(encoding="utf-8"), path).values()
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point links at the places that files have in the site."""
    path = repository_path(page.file.src_uri)
    targets = links(markdown, path)
    folder = posixpath.dirname(page.file.src_uri)

    def moved(match: re.Match[str]) -> str:
        target = targets.get(match[2])
        if target is None:
            return match[0]
        return match[1] + posixpath.relpath(site_path(target), folder or ".") + match[3]

    parts = CODE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(moved, part) for part in parts)
