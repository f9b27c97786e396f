"""Folding changes no output, on every shipped network with randomised statistics."""

import copy

import pytest
import torch
from torch import nn

from fusion_modules import Fusion, FusionPyramid, create_fusion
from fusion_modules.llrr_light import LLRRLightFusion
from rgbt_track.config.experiments import experiment_names
from rgbt_track.config.tracker import load_config
from rgbt_track.models.build import build_network
from rgbt_track.models.inference import prepare_for_inference


def randomise_statistics(network: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.8, 1.2, generator=generator)
            nn.init.uniform_(module.weight, 0.8, 1.2, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)


@pytest.mark.parametrize("name", experiment_names("tracking"))
def test_folding_keeps_the_outputs(name: str) -> None:
    config = load_config(name)
    network = build_network(config.model, seed=0).eval()
    randomise_statistics(network, seed=1)
    folded = prepare_for_inference(copy.deepcopy(network))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    generator = torch.Generator().manual_seed(2)
    sizes = (config.tracking.template_size, config.tracking.search_size)
    if config.model.backbone == "resnet50":  # a quarter of the time
        sizes = (127, 127)
    template, search = (
        {
            modality: 255 * torch.rand(1, 3, size, size, generator=generator)
            for modality in ("rgb", "tir")
        }
        for size in sizes
    )
    if config.model.head == "rpn":
        assert isinstance(folded.input, nn.Identity)
    target = torch.tensor([[0.0, 0.0, 30.0, 50.0]])
    with torch.inference_mode():
        expected = network(template, search, target).responses
        responses = folded(template, search, target).responses
    assert responses.keys() == expected.keys()
    for branch, response in expected.items():
        for a, b in zip(response, responses[branch], strict=True):
            scale = a.abs().max().clamp_min(1e-6)
            # The matching head's parabola divides by curvatures that may be small.
            tolerance = 1e-3 if not config.model.is_learned else 1e-4
            assert ((a - b).abs().max() / scale).item() < tolerance


class Larger(LLRRLightFusion):
    """Somebody's variation: another function with the same parts."""

    def fuse(self, rgb: torch.Tensor, tir: torch.Tensor) -> torch.Tensor:
        return torch.maximum(rgb, tir)


def test_a_variation_of_the_light_fusion_stays_itself() -> None:
    torch.manual_seed(0)
    network = prepare_for_inference(nn.Sequential(Larger(8)))
    rgb, tir = torch.randn(2, 1, 8, 5, 5)
    assert torch.equal(network[0](rgb, tir), torch.maximum(rgb, tir))


def test_preparing_leaves_the_random_generator_alone() -> None:
    fusion = FusionPyramid("llrr_light", [8])
    before = torch.get_rng_state()
    prepare_for_inference(fusion)
    assert torch.equal(torch.get_rng_state(), before)


class NormFirst(Fusion):
    """An outsider's fusion that registers convolution and norm in a row but runs the norm first."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.conv = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def fuse(self, rgb: torch.Tensor, tir: torch.Tensor) -> torch.Tensor:
        return self.conv(self.norm(rgb + tir))


def test_an_outsiders_fusion_is_not_folded() -> None:
    network = nn.Sequential(NormFirst(4)).eval()
    randomise_statistics(network, seed=1)
    rgb, tir = torch.randn(2, 1, 4, 5, 5)
    expected = network[0](rgb, tir)
    folded = prepare_for_inference(network)
    torch.testing.assert_close(folded[0](rgb, tir), expected)


def test_fusions_leave_the_search_for_nan_to_the_tracker() -> None:
    fusion = prepare_for_inference(FusionPyramid("llrr_light", [8]))
    nan, zero = torch.full((1, 8, 5, 5), torch.nan), torch.zeros(1, 8, 5, 5)
    assert fusion([nan], [zero])[0].isnan().any()


@pytest.mark.parametrize("start", ["random", "mean"])
@pytest.mark.parametrize("threshold", [0.3, -0.2])
def test_the_joined_form_of_the_light_fusion_is_the_same_function(
    start: str, threshold: float
) -> None:
    torch.manual_seed(0)
    fusion = create_fusion("llrr_light", channels=16, width=3, blocks=3, start=start).double()
    with torch.no_grad():
        fusion.stack_rgb.theta.fill_(threshold)
        fusion.stack_tir.lam.fill_(-0.4)
        if fusion.gate is not None:
            fusion.gate.normal_()
    joined = fusion.for_inference()
    rgb, tir = torch.randn(2, 2, 16, 7, 9, dtype=torch.double)
    torch.testing.assert_close(joined(rgb, tir), fusion(rgb, tir), rtol=0, atol=1e-12)
    assert not torch.equal(joined(tir, rgb), joined(rgb, tir))
