"""The interface of image-fusion networks: ``forward(visible, infrared) -> fused``, of one shape.

A subclass implements ``fuse`` and ``margin``, the radius of its receptive field, which
``fuse_tiled`` needs to leave no seams. Images are gray and in [0, 1]; the networks' output is not
confined to that range: ``min_max`` scales it, as the authors' code does.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from fusion_modules.base import (
    is_traced,
    require_finite,
    require_positive,
    require_same,
    require_side,
)


class ImageFusion(nn.Module):
    """Base of the image networks; ``channels`` is c, 1 for gray images.

    Setting ``check_finite`` to False saves one read of each input.
    """

    part_names: ClassVar[tuple[str, ...]] = ()
    """Names of the intermediate images that ``parts`` gives; empty for a network without."""

    def __init__(self, channels: int = 1, *, check_finite: bool = True) -> None:
        super().__init__()
        self.channels = require_positive("channels", channels)
        self.check_finite = check_finite
        self.smallest_side = 2

    @property
    def margin(self) -> int:
        """Radius of the receptive field in pixels."""
        raise NotImplementedError(f"{type(self).__name__} must define margin")

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """Fuse (B, c, H, W) images in [0, 1] -> (B, c, H, W), of any range.

        Raises ``ValueError`` unless both agree in shape, dtype and device, have c channels, are
        large enough for the padding, and finite.
        """
        self.check(visible, infrared)
        return self.fuse(visible, infrared)

    def fuse(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """The network itself, on checked inputs; to be implemented by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} must define fuse(visible, infrared)")

    def parts(self, visible: Tensor, infrared: Tensor) -> dict[str, Tensor]:
        """Intermediate images by name, of ``part_names``: (B, c, H, W) each."""
        raise ValueError(f"{type(self).__name__} has no parts to show")

    def check(self, visible: Tensor, infrared: Tensor) -> None:
        """``ValueError`` in one line for inputs that the network cannot take."""
        if is_traced():
            return
        name = type(self).__name__
        require_same("visible", visible, "infrared", infrared)
        if visible.ndim != 4 or visible.shape[1] != self.channels:
            raise ValueError(
                f"{name} got images of shape {tuple(visible.shape)}; expected (B, C, H, W) with "
                f"C = {self.channels}: fuse the luminance of color images"
            )
        if not visible.is_floating_point():
            raise ValueError(f"{name} got {visible.dtype}; expected floating point in [0, 1]")
        require_side(name, visible, self.smallest_side)
        if self.check_finite:
            require_finite(name, visible=visible, infrared=infrared)


def min_max(images: Tensor) -> Tensor:
    """Each image of (B, C, H, W) scaled by its own range: (x - min) / (max - min + 1e-5).

    The authors' scaling of both inputs, given in 0..255, and of the output, of any range. The 1e-5
    is meant for numbers of that size: on [0, 1] it reduces the range of an image with little
    contrast, so scale 0..255 to reproduce the authors' result.
    """
    low = images.amin(dim=(1, 2, 3), keepdim=True)
    high = images.amax(dim=(1, 2, 3), keepdim=True)
    return (images - low) / (high - low + 1e-5)


def to_uint8(images: Tensor) -> Tensor:
    """``min_max`` of an output as uint8, **truncated** as in the authors' code."""
    return (min_max(images) * 255).byte()
