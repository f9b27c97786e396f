"""The commands of ``rgbt-track data``."""
