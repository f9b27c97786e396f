"""The network: backbone, neck, fusion and heads; tensors in, tensors out."""
