"""Training of image-fusion networks; importing this package imports no Lightning."""
