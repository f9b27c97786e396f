"""Every metric against its loop-written twin, on images with structure, and known values."""

from __future__ import annotations

import image_references as twin
import numpy as np
import pytest
import torch

from fusion_modules.image.metrics import METRICS, PAPER_COLUMNS, fusion_metrics
from fusion_modules.image.nabf import nabf
from fusion_modules.image.ssim import ssim
from fusion_modules.image.steerable import oriented_bands
from fusion_modules.image.vif import vif

Triple = tuple[twin.Bytes, twin.Bytes, twin.Bytes]


def triple(seed: int, height: int = 46, width: int = 53) -> Triple:
    """A smooth scene with edges seen by two cameras, and a fused image."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    visible = 90 + 60 * np.sin(x / 5 + seed) * np.cos(y / 7) + 40 * (x > width // 2)
    infrared = 60 + 120 * (np.hypot(x - 20, y - 22) < 9) + 20 * np.cos((x + y) / 6)
    visible, infrared = (p + rng.normal(0, 6, p.shape) for p in (visible, infrared))
    fused = 0.55 * visible + 0.6 * infrared + rng.normal(0, 4, visible.shape)
    a, b, c = (np.clip(p, 0, 255).astype(np.uint8) for p in (fused, visible, infrared))
    return a, b, c


@pytest.mark.parametrize("seed", range(3))
def test_histogram_metrics(seed: int) -> None:
    fused, visible, infrared = triple(seed)
    f, v, i = (list(map(int, x.flat)) for x in (fused, visible, infrared))
    got = fusion_metrics(fused, visible, infrared)
    assert tuple(got) == METRICS and set(PAPER_COLUMNS) < set(METRICS)
    assert got["En"] == pytest.approx(twin.entropy(f), abs=1e-12)
    assert got["MI_paper"] == 2 * got["En"]
    true = sum(
        twin.entropy(f) + twin.entropy(s) - twin.entropy(list(zip(f, s, strict=True)))
        for s in (v, i)
    )
    assert got["MI"] == pytest.approx(true, abs=1e-10)
    mean = sum(f) / len(f)
    squares = sum((p - mean) ** 2 for p in f)
    assert got["SD"] == pytest.approx(squares**0.5 / 255, rel=1e-12)
    assert got["STD"] == pytest.approx((squares / len(f)) ** 0.5, rel=1e-12)


def test_ssim_window_by_window() -> None:
    fused, visible, infrared = (x / 255 for x in triple(0, 30, 26))
    expected = (twin.ssim(fused, infrared) + twin.ssim(fused, visible)) / 2
    got = fusion_metrics(*triple(0, 30, 26))["SSIM"]
    assert got == pytest.approx(expected, abs=1e-10)
    a = torch.from_numpy(fused)
    assert ssim(a, a) == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_nabf_pixel_by_pixel(scale: float) -> None:
    """On [0, 1] as in the tables, and on a scale where gradients pass the threshold."""
    fused, visible, infrared = (x / 255 * scale for x in triple(1, 24, 29))
    got = nabf(*(torch.from_numpy(x) for x in (fused, infrared, visible)))
    assert got == pytest.approx(twin.nabf(fused, infrared, visible), rel=1e-10)
    assert got > 1e-6


@pytest.mark.parametrize("seed", range(2))
def test_nabf_decides_ties_by_the_order_of_summation(seed: int) -> None:
    """A fused image equal to a source in places: a rounding more would count as an artifact."""
    rng = np.random.default_rng(seed)
    source = rng.integers(0, 256, (20, 24)) / 255
    fused = source.copy()
    fused[:, 12:] = rng.integers(0, 256, (20, 12)) / 255
    other = np.roll(source, 1, axis=0) / 4
    expected = twin.nabf(fused, other, source)
    got = nabf(*(torch.from_numpy(x) for x in (fused, other, source)))
    assert got == pytest.approx(expected, rel=1e-10)
    same = torch.from_numpy(source)
    assert nabf(same, same, same) == 0.0


def test_vif_block_by_block() -> None:
    fused, _, infrared = (x / 255 for x in triple(2, 70, 74))
    bands, distorted = (
        [band.numpy() for pair in oriented_bands(torch.from_numpy(x)) for band in pair]
        for x in (infrared, fused)
    )
    got = vif(torch.from_numpy(infrared), torch.from_numpy(fused))
    assert got == pytest.approx(twin.vif(bands, distorted), rel=1e-9)
    assert 0.05 < got < 1


def test_vif_of_flat_regions_and_opposite_contrast() -> None:
    """Where the regression fails: a flat reference, a flat copy, a negative gain."""
    reference = triple(0, 72, 72)[2] / 255
    reference[:36] = 0.5
    copy = 1 - reference
    copy[:, :30] = 0.25
    bands, distorted = (
        [band.numpy() for pair in oriented_bands(torch.from_numpy(x)) for band in pair]
        for x in (reference, copy)
    )
    got = vif(torch.from_numpy(reference), torch.from_numpy(copy))
    assert got == pytest.approx(twin.vif(bands, distorted), rel=1e-6, abs=1e-9)


def test_pyramid_value_by_value() -> None:
    """Filters unfolded by hand from their corners; two levels of the four."""
    from fusion_modules.image import steerable

    image = triple(0, 26, 31)[1] / 255

    def full(corner: tuple[tuple[float, ...], ...]) -> np.ndarray:
        n = 2 * len(corner) - 1
        return np.array(
            [[corner[min(r, n - 1 - r)][min(c, n - 1 - c)] for c in range(n)] for r in range(n)]
        )

    low_0, low = full(steerable._LOW_0), full(steerable._LOW)
    band = np.zeros((7, 7))
    for r, c in np.ndindex(3, 7):
        band[r, c] = steerable._BAND[r][min(c, 6 - c)]
        band[6 - r, c] = -band[r, c]
    assert low_0.sum() == pytest.approx(1, abs=0.01) and low.sum() == pytest.approx(2, abs=0.02)
    assert abs(band.sum()) < 1e-12
    picture_0 = twin.correlate(image, low_0)
    picture_1 = twin.correlate(picture_0, low, step=2)
    got = oriented_bands(torch.from_numpy(image))
    assert [tuple(pair[0].shape) for pair in got] == [(26, 31), (13, 16), (7, 8), (4, 4)]
    for level, base in enumerate((picture_0, picture_1)):
        np.testing.assert_allclose(got[level][0].numpy(), twin.correlate(base, band), atol=1e-12)
        np.testing.assert_allclose(got[level][1].numpy(), twin.correlate(base, band.T), atol=1e-12)


def test_values_of_other_programs() -> None:
    """This image's VIF by pyrtools' pyramid (1.1.1) and its SSIM by scipy's Gaussian (1.17)."""
    fused, visible, infrared = triple(7, 96, 112)
    got = fusion_metrics(fused, visible, infrared)
    assert got["VIF"] == pytest.approx(0.5989417896503757, abs=1e-9)
    assert got["SSIM"] == pytest.approx(0.6870369339548716, abs=1e-9)


def test_equal_pictures_and_blank_sources() -> None:
    fused, visible, infrared = triple(0)
    same = fusion_metrics(visible, visible, visible)
    assert same["SSIM"] == pytest.approx(1) and same["VIF"] == pytest.approx(1, abs=1e-6)
    assert same["Nabf"] == 0 and same["MI"] == pytest.approx(2 * same["En"])
    blank = fusion_metrics(fused, visible, np.zeros_like(infrared))
    assert np.isnan(blank["VIF"]) and np.isfinite([blank[k] for k in METRICS if k != "VIF"]).all()
    assert fusion_metrics(torch.from_numpy(fused), visible, infrared)["En"] > 0


def test_what_is_no_picture_is_refused() -> None:
    fused, visible, infrared = triple(0)
    for bad, message in [
        (fused[..., None].repeat(3, -1), r"fused image is .* expected \(H, W\) uint8"),
        (fused / 255, "fused image is torch.float64"),
        (fused[1:], r"differ in size: fused \(45, 53\), visible \(46, 53\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            fusion_metrics(bad, visible, infrared)
    with pytest.raises(ValueError, match="VIF needs images of at least 25x25; got 24x30"):
        fusion_metrics(*triple(0, 24, 30))
    assert np.isfinite(list(fusion_metrics(*triple(0, 25, 25)).values())).all()
