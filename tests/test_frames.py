import numpy as np
import pytest

from rgbt_track.io.frames import as_rgb_uint8, check_box, is_blank, prepare_frames, stretch_to_uint8

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (48, 64, 3), (48, 64, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_camera_format_becomes_rgb_uint8(shape: tuple[int, ...], dtype: type) -> None:
    image = RNG.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    out = as_rgb_uint8(image, "thermal")
    assert out.shape == (48, 64, 3) and out.dtype == np.uint8


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((48, 64), float),
        np.zeros((48, 64, 2), np.uint8),
        np.zeros((0, 64), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((2, 48, 64, 3), np.uint8),
    ],
)
def test_other_formats_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="thermal frame has shape"):
        as_rgb_uint8(image, "thermal")


def test_sixteen_bits_keep_their_order_and_use_the_range() -> None:
    image = np.linspace(29000, 31000, 48 * 64).reshape(48, 64).astype(np.uint16)
    out = stretch_to_uint8(image)
    assert (np.diff(out.ravel().astype(int)) >= 0).all()
    assert out.min() == 0 and out.max() == 255


def test_thermal_of_another_resolution_is_resized() -> None:
    frames = prepare_frames(RGB, np.zeros((24, 32), np.uint8))
    assert frames["tir"].shape == RGB.shape


def test_thermal_of_another_field_of_view_is_refused() -> None:
    with pytest.raises(ValueError, match="64x24 pixels does not fit the visible frame of 64x48"):
        prepare_frames(RGB, np.zeros((24, 64), np.uint8))


def test_no_frame_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="both frames are missing"):
        prepare_frames(None, None)


def test_blank_frames() -> None:
    assert is_blank(np.zeros((50, 60, 3), np.uint8))
    assert is_blank(np.full((50, 60, 3), 128, np.uint8))
    one_warm_pixel = np.zeros((50, 60, 3), np.uint8)
    one_warm_pixel[7, 9] = 200
    assert not is_blank(one_warm_pixel)
    assert not is_blank(RGB)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([1, 2, 3], "not four numbers"),
        ("abc", "not four numbers"),
        ([1, 2, float("nan"), 4], "not finite"),
        ([1, 2, float("inf"), 4], "not finite"),
        ([1, 2, 0, 4], "is empty"),
        ([1, 2, 3, -4], "is empty"),
        ([64, 2, 3, 4], "outside the 64x48 frame"),
        ([-9, 2, 3, 4], "outside the 64x48 frame"),
    ],
)
def test_boxes_that_cannot_start_a_tracker(box: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_box(box, 64, 48)  # type: ignore[arg-type]
