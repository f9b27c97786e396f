"""Fusing images and videos: networks by name, their weights, and what ``fuse`` writes."""
