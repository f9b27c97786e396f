"""Running ``vot evaluate``, ``vot analysis`` and ``vot report`` in a workspace.

The toolkit is GPL software: it is started as a separate program, never imported. Its exit status is
0 after a tracker's crash and after an incomplete analysis, so every step is checked by the files it
writes, and its errors are reported in one line.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rgbt_track.processes import child_command
from rgbt_track.progress import OnProgress, ignore_progress
from rgbt_track.vot import results
from rgbt_track.vot.process import SessionFault
from rgbt_track.vot.registry import check_tracker
from rgbt_track.vot.results import (
    HighestEAO,
    Score,
    expected_runs,
    experiments,
    finished,
    read_scores,
)

VOT_RGBT2020_SEQUENCES = 60
REMEDY = 'pip install "rgbt-track[vot]"'

_POLL_SECONDS = 0.3
_COLOR_CODE = re.compile(r"\x1b\[[0-9;]*m")
_RED = "\x1b[31m"


def evaluate(
    workspace: str | Path,
    tracker: str,
    *,
    force: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> None:
    """Run what is missing of one tracker's results.

    Args:
        workspace: a workspace's folder.
        tracker: the name of a section of its ``trackers.ini``.
        force: drop the tracker's earlier results first. The toolkit does not know whether a
            tracker's code or weights have changed.
        on_progress: called again and again with the frames that are done and those there are.

    Raises:
        FileNotFoundError: no workspace there.
        ValueError: the tracker is unknown or failed; the line names the log.
        ModuleNotFoundError: the toolkit is not installed.
    """
    workspace = check_workspace(workspace)
    check_tracker(workspace / "trackers.ini", tracker)
    runs = expected_runs(workspace, tracker, _toolkit_folder())
    if force:
        for experiment in experiments(workspace, _toolkit_folder()):
            shutil.rmtree(workspace / "results" / tracker / experiment, ignore_errors=True)

    def report() -> None:
        done = sum(frames for run, frames in runs.items() if finished(run))
        on_progress(done, sum(runs.values()))

    if all(map(finished, runs)):
        report()
        return
    output = _run(workspace, ["evaluate", tracker], report)
    report()
    unfinished = [run for run in runs if not finished(run)]
    if unfinished:
        raise ValueError(
            f"{tracker} did not finish {len(unfinished)} of {len(runs)} runs: "
            f"{_error_message(output)}"
        )


def analyse(workspace: str | Path, trackers: Sequence[str]) -> list[Score]:
    """Compute the measures anew and read them back, in the order of ``trackers``.

    Raises as ``evaluate`` does; also ``ValueError`` where there are no measures, because results
    are missing or every run failed at its start.
    """
    workspace = check_workspace(workspace)
    # The toolkit's cache does not notice that results have changed.
    shutil.rmtree(workspace / "cache" / "analysis", ignore_errors=True)
    name = _joint_name(trackers)
    file = workspace / "analysis" / f"{name}.json"
    file.unlink(missing_ok=True)
    output = _run(workspace, ["analysis", *trackers, "--name", name])
    if not file.is_file():
        raise ValueError(f"no analysis of {', '.join(trackers)}: {_error_message(output)}")
    return read_scores(file)


def report(workspace: str | Path, trackers: Sequence[str]) -> Path:
    """Write the toolkit's HTML report and return its path; raises as ``analyse`` does."""
    workspace = check_workspace(workspace)
    name = _joint_name(trackers)
    file = workspace / "reports" / name / "report.html"
    file.unlink(missing_ok=True)
    output = _run(workspace, ["report", *trackers, "--format", "html", "--name", name])
    if not file.is_file():
        raise ValueError(f"no report on {', '.join(trackers)}: {_error_message(output)}")
    return file


def highest_eao(workspace: str | Path) -> dict[str, HighestEAO]:
    """Experiment -> what a perfect tracker scores in it: see ``results.highest_eao``."""
    return results.highest_eao(check_workspace(workspace), _toolkit_folder())


def is_vot_rgbt2020(workspace: str | Path) -> bool:
    """Whether published VOT-RGBT2020 rows are comparable: the challenge's stack, 60 sequences."""
    workspace = check_workspace(workspace)
    if results.stack_name(workspace) != "vot2020/rgbtir":
        return False
    return len(results.sequence_list(workspace)) == VOT_RGBT2020_SEQUENCES


def check_workspace(folder: str | Path) -> Path:
    """The workspace's absolute path; ``FileNotFoundError`` if there is none."""
    folder = Path(folder).absolute()
    if not (folder / "config.yaml").is_file():
        raise FileNotFoundError(
            f"{folder} is no VOT workspace (it has no config.yaml): "
            "make one with rgbt-track vot workspace"
        )
    return folder


def check_toolkit() -> None:
    """``ModuleNotFoundError``, with the remedy, unless a toolkit that works is installed."""
    _toolkit_folder()


def _toolkit_folder() -> Path:
    spec = importlib.util.find_spec("vot")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the VOT toolkit is not installed: {REMEDY}")
    folder = Path(spec.origin).parent
    if not (folder / "stack" / "vot2020" / "rgbtir.yaml").is_file():
        raise ModuleNotFoundError(
            f"{spec.origin} hides the VOT toolkit (or it is not installed): "
            f"rename that file, or {REMEDY}"
        )
    version = importlib.metadata.version("vot-toolkit")
    if not version.startswith("0.7."):
        raise ModuleNotFoundError(
            f"vot-toolkit {version} cannot run these experiments, 0.7.4 can: {REMEDY}"
        )
    return folder


def _joint_name(trackers: Sequence[str]) -> str:
    return "+".join(trackers)[:100]  # file names have a limit


def _run(workspace: Path, arguments: list[str], poll: Callable[[], None] = lambda: None) -> str:
    check_toolkit()
    command = child_command([sys.executable, "-m", "vot", *arguments])
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=workspace,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                poll()
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        output.seek(0)
        return output.read().decode("utf-8", "replace")


def _error_message(output: str) -> str:
    """The toolkit's own error in one line, with the last line of the tracker's log."""
    if "division by zero" in output:
        return "every run lost the target at its start, so that no accuracy is defined"
    if "Missing results" in output:
        return "results are missing: evaluate first"
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if _RED in line or "Failed task" in line]
    message = _COLOR_CODE.sub("", (errors or lines or ["it said nothing"])[0]).strip()
    match = re.search(r"Tracker output written to file: (.*)", _COLOR_CODE.sub("", output))
    if match is None:
        return message
    log = Path(match[1].strip())
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    lines = [
        line
        for line in text.splitlines()
        if line.strip() and not re.match("@@TRAX|Process exited", line)
    ]
    last = lines[-1].split(f"{SessionFault.__name__}: ")[-1].strip() if lines else "nothing"
    return f"{message} (log: {match[1]}" + (")" if last in message else f", which ends: {last})")
