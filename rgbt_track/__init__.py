"""RGB-T single-object tracking with learned low-rank fusion."""

__version__ = "0.1.0"
