"""``rgbt-track tune``: search settings on validation sequences, and calibrate the score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from rgbt_track.commands.common import progress_bar
from rgbt_track.commands.options import (
    DeviceName,
    EvaluationSplitName,
    Plots,
    SequenceNames,
    WeightsFile,
)
from rgbt_track.config.tracker import TrackingConfig
from rgbt_track.data.open import open_dataset
from rgbt_track.evaluation.report.calibration import reliability_plot
from rgbt_track.evaluation.report.figures import require_matplotlib
from rgbt_track.evaluation.trackers import describe_tracker, is_dotted
from rgbt_track.evaluation.tuning import results
from rgbt_track.evaluation.tuning.groups import Group, fingerprint, open_group, view_group
from rgbt_track.evaluation.tuning.objective import Objective
from rgbt_track.evaluation.tuning.search import SearchResult, fit_score, search
from rgbt_track.evaluation.tuning.space import Space, default_space, parse_space
from rgbt_track.evaluation.tuning.views import FrameCache
from rgbt_track.io.files import write_text
from rgbt_track.io.paths import check_paths
from rgbt_track.io.tables import print_wide, to_rich
from rgbt_track.resources import check_choice, require
from rgbt_track.tracking.loading import load_tracker, own_weights

_VIEWS = {"both": ("rgb", "tir"), "rgb": ("rgb",), "tir": ("tir",)}
_MEGABYTE = 2**20


def tune(
    tracker: Annotated[str, typer.Argument(help="A shipped name or a YAML file.")],
    dataset: Annotated[
        str | None, typer.Argument(help="A data set's name, or a YAML that describes one.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Where the data set lies.")] = None,
    split: EvaluationSplitName = None,
    sequence: SequenceNames = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="NAME=DATASET:ROOT or with :PATTERNS of sequences; may be repeated."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(help="Search NAME, NAME=LOW:HIGH or NAME=A,B,C; may be repeated."),
    ] = None,
    trials: Annotated[
        int, typer.Option(min=0, help="Finished trials to reach, of all processes.")
    ] = 50,
    storage: Annotated[
        str | None, typer.Option(help="optuna's database URL; default trials.db in --out.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="The study's name in the storage; default the tracker's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the outcome; default runs/tune/TRACKER.")
    ] = None,
    weights: WeightsFile = None,
    view: Annotated[str, typer.Option(help="Input of the tracker: both, rgb or tir.")] = "both",
    backward: Annotated[bool, typer.Option(help="Run each sequence from its end, too.")] = False,
    frames: Annotated[
        int, typer.Option(min=0, help="At most as many frames of each run; 0 for all.")
    ] = 0,
    calibrate: Annotated[
        bool, typer.Option(help="Fit score_scale and score_bias to these frames.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all proposals.")] = 0,
    memory: Annotated[
        int, typer.Option(min=0, help="Megabytes each for frames and for responses.")
    ] = 1024,
    device: DeviceName = "cpu",
    plots: Plots = True,
) -> None:
    """Search a tracker's settings for the highest mean AO on validation sequences.

    Groups count alike, whatever their sizes; DATASET with --root is one of them. Writes
    TRACKER_tuned.yaml, which --tracker takes everywhere, with trials.csv, trials.md, tuning.json
    and plots. Call again to go on; call it several times at once, on any machines that reach the
    --storage, to share the work. The first trial is the tracker as it is.

    Example: `rgbt-track tune lrrtrack_lite plain --root validation/ --trials 100 --calibrate`
    """
    if not trials and not calibrate:
        raise ValueError("--trials is 0: there is nothing to do without --calibrate")
    if trials:
        require("tune", "optuna")
    if plots:
        require_matplotlib()
    check_choice("--view", view, _VIEWS)
    if is_dotted(tracker):
        raise ValueError(f"{tracker}: only a tracker of our settings can be tuned, by name or YAML")
    loaded = load_tracker(tracker, device, weights)
    config = loaded.config
    space = parse_space(setting, config) if setting else default_space(config)
    groups = _open_groups(
        dataset,
        root,
        split,
        sequence or None,
        group or [],
        backward=backward,
        modalities=_VIEWS[view],
        limit=frames,
        cache=FrameCache(memory * _MEGABYTE),
    )
    objective = Objective(loaded, groups, memory * _MEGABYTE)
    folder = out or Path("runs") / "tune" / config.name
    check_paths(inputs={"--root": root, "TRACKER": tracker}, folders={"--out": folder})
    folder.mkdir(parents=True, exist_ok=True)
    check_paths(
        inputs={"TRACKER": tracker, "--weights": weights},
        files={"the tuned tracker": results.experiment_path(folder, config)},
    )
    tracking, note = config.tracking, f"{config.name} with its default settings"
    if trials:
        with progress_bar(f"{config.name}, {trials} trials") as on_progress:
            result = search(
                objective,
                space,
                describe_tracker(tracker, str(weights) if weights else None),
                storage=storage or f"sqlite:///{(folder / 'trials.db').resolve().as_posix()}",
                study=study or config.name,
                trials=trials,
                seed=seed,
                on_progress=on_progress,
            )
        tracking, note = result.tracking, _write_search(folder, objective, space, result, plots)
    if calibrate:
        tracking = _calibrate(folder, objective, tracking, plots)
    file = weights or own_weights(config, tracker)
    tuned = replace(config, tracking=tracking)
    typer.echo(f"tuned tracker in {results.write_experiment(folder, tuned, file, note)}")


def _open_groups(
    dataset: str | None,
    root: Path | None,
    split: str | None,
    sequences: list[str] | None,
    texts: list[str],
    **options: Any,
) -> list[Group]:
    if (dataset is None) != (root is None):
        raise ValueError("DATASET and --root belong together; or give --group alone")
    opened = [open_group(text) for text in texts]
    if dataset is not None and root is not None:
        opened_sequences = open_dataset(dataset, root, split, sequences)
        opened.insert(0, (Path(dataset).stem, opened_sequences))
    if not opened:
        raise ValueError("no sequences: give DATASET and --root, or --group NAME=DATASET:ROOT")
    return view_group(opened, **options)


def _write_search(
    folder: Path, objective: Objective, space: Space, result: SearchResult, plots: bool
) -> str:
    """Write and print the search results; returns the note of the tuned experiment."""
    name, data = objective.config.name, fingerprint(objective.groups)
    results.write_trials(
        folder, result.trials, space, {"tracker": name, "data": data, "best": result.best.number}
    )
    if plots:
        write_text(folder / "history.svg", results.history_plot(result.trials))
        write_text(folder / "settings.svg", results.settings_plot(result.trials, space))
    print_wide(to_rich(results.summary_table(result.best, result.default)))
    if result.default:
        typer.echo(results.gain_text(result.best, result.default))
    return (
        f"{name} tuned by rgbt-track tune: trial {result.best.number} of {len(result.trials)},\n"
        f"mean AO {result.best.value:.4f} on data {data}"
    )


def _calibrate(
    folder: Path, objective: Objective, tracking: TrackingConfig, plots: bool
) -> TrackingConfig:
    with progress_bar("calibration of the score") as on_progress:
        fit = fit_score(objective, tracking, on_progress)
    if plots:
        diagrams = [(0, "raw score", fit.before), (1, "recalibrated", fit.after)]
        write_text(folder / "reliability.svg", reliability_plot(diagrams))
    typer.echo(
        f"score_scale {fit.tracking.score_scale:g}, score_bias {fit.tracking.score_bias:g}: "
        f"calibration error {fit.before.error:.3f} -> {fit.after.error:.3f} on these frames"
    )
    return fit.tracking
