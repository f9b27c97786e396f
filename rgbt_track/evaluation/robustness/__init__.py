"""Robustness to missing modalities, misregistration and noise."""
