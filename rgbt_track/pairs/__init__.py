"""Training pairs: stored crops, their sampling, augmentation and anchor targets."""
