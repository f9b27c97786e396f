"""The metrics of image-fusion papers, exactly as in the tables of LRRNet.

Images are gray uint8; metrics that work on doubles use value / 255. The code of other papers
differs (another VIF, another SD, a true MI): compare only values of one program. The definitions
are in the modules ``ssim``, ``vif`` and ``nabf``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fusion_modules.image.nabf import nabf
from fusion_modules.image.ssim import ssim
from fusion_modules.image.vif import vif

METRICS = ("En", "SD", "STD", "MI_paper", "MI", "SSIM", "VIF", "Nabf")
PAPER_COLUMNS = ("En", "SD", "MI_paper", "SSIM", "VIF", "Nabf")


def fusion_metrics(fused: Any, visible: Any, infrared: Any) -> dict[str, float]:
    """All of ``METRICS`` for one fused image and its sources, (H, W) uint8 arrays or tensors.

    - ``En``: entropy of the fused image's histogram, in bits.
    - ``SD``: sqrt(sum (F - mean F)^2) on [0, 1], **not** divided by the number of pixels.
    - ``STD``: the usual standard deviation, in gray levels.
    - ``MI_paper``: 2 En, which the tables call MI (their joint entropies are 0).
    - ``MI``: the true mutual information with the visible plus that with the infrared, in bits.
    - ``SSIM``, ``VIF``: the mean of the values against both sources (SSIMm and VIFm).
    - ``Nabf``: artifacts; smaller is better, of all others larger is better.

    ``VIF`` is NaN when a source is blank. Raises ``ValueError`` for anything but three uint8
    images of one shape, of at least 25x25.
    """
    images = {"fused": fused, "visible": visible, "infrared": infrared}
    tensors = {name: torch.as_tensor(image).cpu() for name, image in images.items()}
    shapes = {name: tuple(x.shape) for name, x in tensors.items()}
    for name, x in tensors.items():
        if x.dtype != torch.uint8 or x.ndim != 2:
            raise ValueError(
                f"the {name} image is {x.dtype} of shape {shapes[name]}; expected (H, W) uint8: "
                "turn color into gray and stretch 16 bits to 8 first"
            )
    if len(set(shapes.values())) > 1:
        sizes = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"the images differ in size: {sizes}; metrics compare pixel by pixel")
    f, v, i = tensors.values()
    f1, v1, i1 = (x.double() / 255 for x in (f, v, i))
    entropy_f = entropy(f)
    return {
        "En": entropy_f,
        "SD": float((f1 - f1.mean()).square().sum().sqrt()),
        "STD": float(f.double().std(correction=0)),
        "MI_paper": 2 * entropy_f,
        "MI": mutual_information(f, v) + mutual_information(f, i),
        "SSIM": (ssim(f1, i1) + ssim(f1, v1)) / 2,
        "VIF": (vif(i1, f1) + vif(v1, f1)) / 2,
        "Nabf": nabf(f1, i1, v1),
    }


def entropy(image: Tensor) -> float:
    """Entropy in bits of the 256-bin histogram of a uint8 image."""
    return _histogram_entropy(torch.bincount(image.flatten().long(), minlength=256))


def mutual_information(a: Tensor, b: Tensor) -> float:
    """Mutual information in bits of two uint8 images: H(a) + H(b) - H(a, b)."""
    joint = torch.bincount(a.flatten().long() * 256 + b.flatten().long(), minlength=256**2)
    return entropy(a) + entropy(b) - _histogram_entropy(joint)


def _histogram_entropy(counts: Tensor) -> float:
    """Entropy in bits of a histogram."""
    share = counts[counts > 0].double() / counts.sum()
    return float(-(share * share.log2()).sum())
