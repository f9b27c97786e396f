import pytest
import torch

from rgbt_track.models.normalization import PixelInput

RGB = torch.tensor([255.0, 128.0, 0.0]).view(1, 3, 1, 1).expand(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ("bgr255", (0.0, 128.0, 255.0)),
        ("unit", (1.0, 128 / 255, 0.0)),
        ("imagenet", ((1 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, -0.406 / 0.225)),
    ],
)
def test_pixel_conventions(pixels: str, expected: tuple[float, ...]) -> None:
    out = PixelInput(pixels)(RGB)
    assert out.shape == RGB.shape
    torch.testing.assert_close(out[1, :, 2, 3], torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_a_convention_is_no_part_of_the_weights() -> None:
    assert not PixelInput("imagenet").state_dict()


def test_unknown_convention_names_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"did you mean 'imagenet'.*bgr255"):
        PixelInput("imagnet")
