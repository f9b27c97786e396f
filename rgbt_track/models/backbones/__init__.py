"""Backbones: an image crop to feature maps, on the grid of ResNet-50."""
