"""The commands of ``rgbt-track weights``."""
