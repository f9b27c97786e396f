"""Modules of the user's own, named as ``package.module:Name``, and where they are looked for.

They are found as Python finds modules, and beside that in the folder of the YAML that names them
and in the current folder.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path


def find_user_module(dotted: str, folders: Iterable[Path]) -> Path | None:
    """Let the module of ``package.module:Name`` be imported from the first folder that has it.

    That folder, which is returned, is added to the end of ``sys.path``, where it hides nothing.
    Where no folder has the module, nothing is done. Raises ``ValueError`` where Python's own path,
    or an earlier YAML, has another module of the same name, which would be imported in its place.
    """
    name = dotted.partition(":")[0].partition(".")[0]
    for folder in (path.resolve() for path in folders):
        candidates = (folder / name / "__init__.py", folder / f"{name}.py")
        file = next((path for path in candidates if name and path.is_file()), None)
        if file is None:
            continue
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        imported = _imported_file(name)
        if imported != file:
            raise ValueError(
                f"{dotted}: {file} is not what Python imports as {name!r}, which is "
                f"{imported or 'a module without a file'}: give your module another name"
            )
        return folder
    return None


def _imported_file(name: str) -> Path | None:
    """The file of the module that ``import name`` gives now."""
    if name in sys.modules:
        origin = getattr(sys.modules[name], "__file__", None)
    else:
        importlib.invalidate_caches()
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec is not None else None
    return Path(origin).resolve() if origin and Path(origin).is_file() else None
