"""The web demo: follow a target in a browser, on your own files or on a synthetic sequence."""
