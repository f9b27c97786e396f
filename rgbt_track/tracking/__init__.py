"""The tracker: configuration and weights to a tracker, and its loop frame by frame."""
