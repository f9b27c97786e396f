"""The natural look of fused pictures, and the flicker of fused video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from fusion_modules.image import ImageFusion
from rgbt_track.image_fusion.flicker import Flicker
from rgbt_track.image_fusion.fuser import Fuser
from rgbt_track.image_fusion.natural import (
    NaturalLook,
    NaturalSettings,
    base_weights,
    guided_filter,
)
from rgbt_track.io.images import read_tir, write_image
from rgbt_track.io.video.writer import VideoFile
from rgbt_track.models.image_networks import load_image_network, shipped_image_weights
from rgbt_track.synthetic.scene import scene_frames

STILL = NaturalSettings(memory=0)
Gray = np.ndarray


def scene(seed: int, size: tuple[int, int] = (64, 48)) -> tuple[Gray, Gray]:
    """A smooth visible image and an infrared one with a warm square; uint8."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    visible = 110 + 40 * np.sin(x / 7 + rng.uniform(0, 6)) * np.cos(y / 9)
    infrared = np.full((height, width), 60.0)
    infrared[10:24, 20:36] = 220
    noise = rng.normal(0, 1, (2, height, width))
    first, second = (
        np.clip(image + part, 0, 255).astype(np.uint8)
        for image, part in zip((visible, infrared), noise, strict=True)
    )
    return first, second


def emboss(image: Gray) -> Gray:
    """Light from the left above, as it were: the derivative along the diagonal."""
    values = image.astype(float)
    return values - np.roll(values, (1, 1), (0, 1))


# --- one picture


@pytest.mark.parametrize("seed", range(3))
def test_two_equal_sources_stay_as_they_are(seed: int) -> None:
    visible, _ = scene(seed)
    advice = np.random.default_rng(seed).integers(0, 256, visible.shape, dtype=np.uint8)
    mixed = NaturalLook(STILL).mix(advice, visible, visible)
    assert np.abs(mixed.astype(int) - visible).max() <= 1


@pytest.mark.parametrize("seed", range(3))
def test_the_network_says_which_source_counts(seed: int) -> None:
    visible, infrared = scene(seed)
    floats = visible.astype(np.float32) / 255, infrared.astype(np.float32) / 255
    warm = (slice(12, 22), slice(22, 34))
    towards_infrared = base_weights(floats[1], *floats)[warm].mean()
    towards_visible = base_weights(floats[0], *floats)[warm].mean()
    assert towards_infrared > towards_visible + 0.3
    mixed = NaturalLook(STILL).mix(infrared, visible, infrared)
    assert mixed[warm].mean() > visible[warm].mean() + 40


def test_rims_of_the_network_do_not_reach_the_picture() -> None:
    visible, infrared = scene(0)
    embossed = np.clip(visible + 1.5 * emboss(infrared), 0, 255).astype(np.uint8)
    mixed = NaturalLook(STILL).mix(embossed, visible, infrared)

    def rims(image: Gray) -> float:
        """A light left and a dark right rim of the square, inside and outside of it."""
        columns = (image.astype(float) - visible)[11:23].mean(0)
        return float(columns[20] - columns[35] + columns[19] - columns[36])

    assert rims(embossed) > 60
    assert abs(rims(mixed)) < 0.1 * rims(embossed)


def test_guided_filter_is_its_definition() -> None:
    """Against loops over windows, away from the border."""
    rng = np.random.default_rng(1)
    guide, image = rng.random((2, 17, 19)).astype(np.float32)
    radius, epsilon = 2, 0.01
    slopes, offsets = np.zeros_like(guide), np.zeros_like(guide)
    inside = [(y, x) for y in range(2, 15) for x in range(2, 17)]
    for y, x in inside:
        window = (slice(y - 2, y + 3), slice(x - 2, x + 3))
        g, p = guide[window].astype(float), image[window].astype(float)
        slopes[y, x] = ((g * p).mean() - g.mean() * p.mean()) / (g.var() + epsilon)
        offsets[y, x] = p.mean() - slopes[y, x] * g.mean()
    result = guided_filter(guide, image, radius, epsilon)
    for y, x in [(y, x) for y in range(4, 13) for x in range(4, 15)]:
        window = (slice(y - 2, y + 3), slice(x - 2, x + 3))
        expected = slopes[window].mean() * guide[y, x] + offsets[window].mean()
        assert result[y, x] == pytest.approx(expected, abs=1e-5)


# --- video


def test_flicker_is_what_changes_where_nothing_has() -> None:
    visible, infrared = scene(0)
    fused = visible.copy()
    flicker = Flicker()
    assert flicker.add(fused, visible, infrared) is None
    assert flicker.add(fused + 3, visible, infrared) == 3
    moved = visible.copy()
    moved[:24] += 30  # the source itself has changed there
    changed = fused.copy()
    changed[:24] += 30
    assert flicker.add(changed, moved, infrared) == 3  # back from + 3, in the lower half alone
    assert flicker.add(changed, 255 - moved, 255 - infrared) is None
    assert flicker.add(fused[:8], visible[:8], infrared[:8]) is None


def test_memory_steadies_a_video_and_ends_with_the_scene() -> None:
    visible, infrared = scene(0)
    rng = np.random.default_rng(0)
    advice = [rng.integers(0, 256, visible.shape, dtype=np.uint8) for _ in range(8)]

    def mean_flicker(look: NaturalLook) -> float:
        flicker, values = Flicker(), []
        for fused in advice:
            values.append(flicker.add(look.mix(fused, visible, infrared), visible, infrared))
        return float(np.mean([value for value in values if value is not None]))

    steady = NaturalLook()
    assert mean_flicker(steady) < 0.5 * mean_flicker(NaturalLook(STILL))
    other, warm = 255 - visible, np.flipud(infrared).copy()
    after = steady.mix(advice[0], other, warm)
    np.testing.assert_array_equal(after, NaturalLook(STILL).mix(advice[0], other, warm))
    smaller = steady.mix(advice[0][:32], other[:32], warm[:32])
    assert smaller.shape == (32, visible.shape[1])
    with pytest.raises(ValueError, match=r"memory is 1\.0"):
        NaturalSettings(memory=1.0)


def network() -> ImageFusion:
    return load_image_network(shipped_image_weights("lrrnet"))


def test_a_fuser_without_a_look_is_the_network_itself() -> None:
    frame = next(scene_frames(0, 1, (64, 64), "smoke"))
    plain, natural = Fuser(network()), Fuser(network(), look=NaturalLook(STILL))
    exact, mixed = plain.fuse(frame.rgb, frame.tir), natural.fuse(frame.rgb, frame.tir)
    expected = NaturalLook(STILL).mix(exact.gray, exact.visible, exact.infrared)
    np.testing.assert_array_equal(mixed.gray, expected)
    assert not np.array_equal(mixed.gray, exact.gray)


# --- the command


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    for modality in ("color", "ir"):
        (tmp_path / modality).mkdir()
    with VideoFile(tmp_path / "color.mp4", 10) as color, VideoFile(tmp_path / "ir.mp4", 10) as ir:
        for index, frame in enumerate(scene_frames(0, 3, (64, 64), "day")):
            write_image(tmp_path / "color" / f"{index}.png", frame.rgb)
            write_image(tmp_path / "ir" / f"{index}.png", frame.tir)
            color.add(frame.rgb)
            ir.add(np.repeat(frame.tir[..., None], 3, axis=2))
    return tmp_path


def test_people_get_the_natural_look_and_papers_the_network(run: Run, frames: Path) -> None:
    sources = ("--rgb", frames / "color", "--tir", frames / "ir", "--gray")
    assert run("fuse", *sources, frames / "natural")[0] == 0
    assert run("fuse", *sources, "--look", "network", frames / "network")[0] == 0
    scenes = list(scene_frames(0, 3, (64, 64), "day"))
    for index, frame in enumerate(scenes):
        exact = Fuser(network()).fuse(frame.rgb, frame.tir)
        np.testing.assert_array_equal(read_tir(frames / "network" / f"{index}.png"), exact.gray)
        # Pictures of a folder need not follow one another: each is mixed for itself.
        alone = NaturalLook(STILL).mix(exact.gray, exact.visible, exact.infrared)
        np.testing.assert_array_equal(read_tir(frames / "natural" / f"{index}.png"), alone)
    code, _, err = run("fuse", *sources, "--look", "papers", frames / "x")
    assert code == 1 and "valid: natural, network" in err and err.count("\n") == 1


def test_metrics_of_a_video_say_how_it_flickers(run: Run, frames: Path) -> None:
    sources = ("--rgb", frames / "color.mp4", "--tir", frames / "ir.mp4", "--metrics")
    code, output, _ = run("fuse", *sources, frames / "out.mp4")
    assert code == 0 and "flicker: " in output and "gray levels a frame" in output
