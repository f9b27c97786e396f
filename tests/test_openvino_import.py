"""OpenVINO and NNCF are imported without what reports their use."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
forks = []
os.register_at_fork(before=lambda: forks.append(1))
from rgbt_track.models.engines import openvino_import
module = getattr(openvino_import, "import_" + sys.argv[1])()
assert module.__name__ == sys.argv[1]
telemetry = [name for name in sys.modules if name.startswith("openvino_telemetry")]
assert not telemetry, telemetry
assert not forks
from importlib.util import find_spec
assert find_spec("openvino_telemetry"), "the test would show nothing"
"""


@pytest.mark.parametrize("name", ["openvino", "nncf"])
def test_nothing_reports_the_use(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_the_user_has_imported_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    from rgbt_track.models.engines.openvino_import import import_openvino

    monkeypatch.setitem(sys.modules, "openvino_telemetry", sys)
    import_openvino()
    assert sys.modules["openvino_telemetry"] is sys
