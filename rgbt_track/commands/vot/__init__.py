"""The commands of ``rgbt-track vot``."""
