"""Siamese heads: template kernels and search features to a response."""
