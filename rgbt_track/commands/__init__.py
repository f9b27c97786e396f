"""The commands of ``rgbt-track``, one module each; ``cli.py`` imports the one that runs."""
