"""The commands about training runs, and what a run says at its end."""
