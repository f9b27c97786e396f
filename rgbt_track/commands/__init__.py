"""The commands of ``rgbt-track``, one module each; heavy imports happen inside the functions."""
