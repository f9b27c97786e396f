"""Training on RGB-T data with Lightning's Trainer; importing this package imports nothing of it."""
