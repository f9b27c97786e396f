"""Synthetic RGB-T sequences and pseudo-thermal images."""
