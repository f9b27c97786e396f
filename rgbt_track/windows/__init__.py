"""Windows: both modalities side by side, to draw a target, to click points and to watch a run."""
