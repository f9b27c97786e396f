"""The image networks' losses, term by term, against loops."""

from __future__ import annotations

import image_references as twin
import numpy as np
import pytest
import torch
from fusion_references import array
from torch import Tensor, nn

from fusion_modules.image.losses import (
    ImageFusionLoss,
    ImageLossWeights,
    reconstruction_loss,
    scaled_255,
    sobel_strength,
)


class Blocks(nn.Module):
    """Four small maps in VGG's place; the three channels count differently, as VGG's do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = [(3, 2), (2, 3), (3, 2), (2, 3)]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=1) for a, b in sizes).double()
        self.dropout = nn.Dropout()

    def forward(self, images: Tensor) -> list[Tensor]:
        maps, x = [], images / 50
        for layer in self.layers:
            x = self.dropout(layer(x)).relu()
            maps.append(x)
        return maps


def sources(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 1, 11, 10)
    fused, visible, infrared = (torch.rand(shape, generator=generator).double() for _ in range(3))
    return 3 * fused - 1, 255 * visible, 255 * infrared


def features(blocks: Blocks, images: np.ndarray) -> list[np.ndarray]:
    return [array(x) for x in blocks.eval()(torch.from_numpy(np.repeat(images, 3, axis=1)))]


@pytest.mark.parametrize("seed", range(3))
def test_every_term_is_eq_10_to_14(seed: int) -> None:
    blocks, (fused, visible, infrared) = Blocks(), sources(seed)
    loss = ImageFusionLoss(blocks, ImageLossWeights(sobel=0.7)).train()
    terms = loss(fused, visible, infrared)

    f, v, i = array(fused), array(visible), array(infrared)
    scaled = np.stack([(x - x.min()) / (x.max() - x.min() + 1e-5) * 255 for x in f])
    f_maps, v_maps, i_maps = (features(blocks, x) for x in (scaled, v, i))
    grams = [[twin.gram(item) for item in maps[3]] for maps in (f_maps, i_maps)]
    strongest = [np.maximum(twin.sobel(a[0]), twin.sobel(b[0])) for a, b in zip(v, i, strict=True)]
    expected = {
        "pixel": 10 * twin.mean_square(scaled, v),
        "shallow": 1.5 * twin.mean_square(f_maps[0], v_maps[0]),
        "middle": 0.01 * twin.mean_square(f_maps[1], 3.0 * i_maps[1] + 0.5 * v_maps[1])
        + 0.5 * twin.mean_square(f_maps[2], 3.0 * i_maps[2] + 0.5 * v_maps[2]),
        "deep": 2000 * twin.mean_square(np.stack(grams[0]), np.stack(grams[1])),
        "sobel": 0.7
        * twin.mean_square(np.stack([twin.sobel(x[0]) for x in scaled]), np.stack(strongest)),
    }
    expected["total"] = sum(expected.values())
    assert list(terms) == list(expected)
    for name, value in expected.items():
        assert terms[name].shape == () and terms[name].item() == pytest.approx(value, rel=1e-9)


def test_gradient_is_that_of_the_terms() -> None:
    fused, visible, infrared = sources()
    loss = ImageFusionLoss(Blocks(), ImageLossWeights(sobel=1.0))
    assert torch.autograd.gradcheck(
        lambda x: tuple(loss(x, visible, infrared).values()),
        fused.requires_grad_(),
        atol=1e-3,
        rtol=1e-3,
        eps=1e-6,
    )
    assert all(not p.requires_grad for p in loss.features.parameters())


def test_a_weight_of_zero_leaves_the_term_out() -> None:
    fused, visible, infrared = sources()
    without = {
        name: ImageFusionLoss(Blocks(), ImageLossWeights(**{name: 0.0}))(fused, visible, infrared)
        for name in ("pixel", "shallow", "middle", "deep")
    }
    for name, terms in without.items():
        assert name not in terms and len(terms) == 4, name
    with pytest.raises(ValueError, match="every weight of the loss is 0"):
        nothing = ImageLossWeights(0.0, 0.0, 0.0, 0.0)
        ImageFusionLoss(Blocks(), nothing)(fused, visible, infrared)


def test_the_output_as_it_is() -> None:
    fused, visible, infrared = sources()
    weights = ImageLossWeights(shallow=0.0, middle=0.0, deep=0.0)
    terms = ImageFusionLoss(nn.Identity(), weights, rescale=False)(fused, visible, infrared)
    expected = 10 * twin.mean_square(255 * array(fused), array(visible))
    assert terms["pixel"].item() == pytest.approx(expected)


def test_terms_without_features_need_none() -> None:
    fused, visible, infrared = sources()
    weights = ImageLossWeights(shallow=0.0, middle=0.0, deep=0.0)
    terms = ImageFusionLoss(nn.Identity(), weights)(fused, visible, infrared)
    assert list(terms) == ["pixel", "total"] and terms["total"] == terms["pixel"]


def test_half_precision_is_computed_in_single() -> None:
    fused, visible, infrared = (x.bfloat16() for x in sources())
    loss = ImageFusionLoss(Blocks().float())
    expected = loss(fused.float(), visible.float(), infrared.float())["total"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(fused, visible, infrared)["total"], expected)


def test_bad_input_is_refused() -> None:
    fused, visible, infrared = sources()
    loss = ImageFusionLoss(Blocks())
    with pytest.raises(ValueError, match=r"fused has shape .* but infrared"):
        loss(fused, visible, infrared[..., 1:])
    with pytest.raises(ValueError, match="gave 2 maps; the loss needs 4"):
        ImageFusionLoss(nn.Conv2d(3, 4, 1).double())(fused, visible, infrared)
    with pytest.raises(ValueError, match="expected two numbers"):
        ImageLossWeights(middle_blocks=(1.0,))


def test_a_constant_output_has_finite_loss_and_gradient() -> None:
    _, visible, infrared = sources()
    fused = torch.full_like(visible, 0.5).requires_grad_()
    ImageFusionLoss(Blocks())(fused, visible, infrared)["total"].backward()
    assert fused.grad is not None and fused.grad.isfinite().all()
    assert not scaled_255(fused).any()


def test_reconstruction_and_sobel_by_hand() -> None:
    source = torch.tensor([[[[0.0, 255.0], [51.0, 102.0]]]])
    off = source / 255 + torch.tensor([[[[0.1, 0.0], [0.0, -0.2]]]])
    assert reconstruction_loss(off, source).item() == pytest.approx((25.5**2 + 51**2) / 4, rel=1e-5)
    ramp = torch.arange(5.0).expand(1, 1, 4, 5)
    assert sobel_strength(ramp)[0, 0, :, 1:-1].eq(8).all()
    assert sobel_strength(ramp)[0, 0, :, 0].eq(0).all()  # mirrored: no step at the border
