"""RGB-T single-object tracking with learned low-rank fusion.

``load_tracker`` and ``Tracker`` are imported on first use, so that the command line starts quickly.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rgbt_track.tracking.loading import load_tracker
    from rgbt_track.tracking.tracker import Tracker

__all__ = ["Tracker", "__version__", "load_tracker"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "load_tracker":
        from rgbt_track.tracking.loading import load_tracker

        return load_tracker
    if name == "Tracker":
        from rgbt_track.tracking.tracker import Tracker

        return Tracker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
