"""Synthetic RGB-T scenes and pseudo-thermal images."""
