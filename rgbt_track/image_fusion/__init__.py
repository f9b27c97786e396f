"""Fusing pictures and videos: networks by name, their weights, and what the command writes."""
