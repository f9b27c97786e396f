"""Registration of two cameras: points, files, warping, the automatic way, and every command."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Run
from stub_network import disc_frame

from rgbt_track.boxes import iou_xywh
from rgbt_track.data.open import open_dataset
from rgbt_track.io.box_files import read_box_rows
from rgbt_track.io.images import read_rgb, write_image
from rgbt_track.registration.automatic import register_frames
from rgbt_track.registration.features import edge_field
from rgbt_track.registration.model import Registration, apply_matrix, frame_corners
from rgbt_track.registration.points import fit_points, read_points
from rgbt_track.registration.yaml_file import load_registration, save_registration

RGB_SIZE, TIR_SIZE = (320, 240), (160, 128)
# Thermal to visible: its own scale, 4 degrees of rotation, a shift, and some perspective.
MATRIX = np.array([[1.60, -0.11, 30.0], [0.12, 1.55, 12.0], [1e-4, -5e-5, 1.0]])


def registration(**changes: object) -> Registration:
    values = {"matrix": MATRIX, "rgb_size": RGB_SIZE, "tir_size": TIR_SIZE, "method": "points"}
    return Registration(**{**values, **changes})  # type: ignore[arg-type]


def thermal_view(visible: np.ndarray, size: tuple[int, int] = TIR_SIZE) -> np.ndarray:
    """What the thermal camera sees of an image drawn in visible pixels."""
    return cv2.warpPerspective(
        visible, np.linalg.inv(MATRIX), size, borderMode=cv2.BORDER_REFLECT
    )  # fmt: skip


def street(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A scene of blocks, lines and discs, whose gray levels in thermal have nothing to do with
    those in visible."""
    rng = np.random.default_rng(seed)
    visible, thermal = np.full((240, 320), 120, np.uint8), np.full((240, 320), 60, np.uint8)
    for _ in range(45):
        corner = rng.integers(-20, (320, 240))
        opposite = corner + rng.integers(12, 70, 2)
        shades = rng.integers(20, 236, 2)
        for image, shade in zip((visible, thermal), shades, strict=True):
            if rng.random() < 0.85:  # some things only one camera sees
                cv2.rectangle(image, corner.tolist(), opposite.tolist(), int(shade), -1)
    for image in (visible, thermal):
        cv2.circle(image, (230, 90), 25, int(rng.integers(20, 236)), -1)
    noise = rng.normal(0, 3, (2, 240, 320))
    return tuple(
        np.clip(image + extra, 0, 255).astype(np.uint8)
        for image, extra in zip((visible, thermal), noise, strict=True)
    )  # type: ignore[return-value]


def error(found: np.ndarray) -> float:
    """Largest distance at the corners of the thermal frame, in visible pixels."""
    corners = frame_corners(TIR_SIZE)
    return float(
        np.linalg.norm(apply_matrix(found, corners) - apply_matrix(MATRIX, corners), axis=1).max()
    )


def test_exact_points_give_the_matrix_and_noisy_ones_their_residual() -> None:
    rng = np.random.default_rng(0)
    thermal = rng.uniform(0, TIR_SIZE, (12, 2))
    visible = apply_matrix(MATRIX, thermal)
    exact = fit_points(visible, thermal)
    assert error(exact.matrix) < 1e-3 and exact.residual < 1e-3
    noisy = fit_points(visible + rng.normal(0, 0.5, visible.shape), thermal)
    assert error(noisy.matrix) < 3 and 0.2 < noisy.residual < 1
    one_wrong = visible.copy()
    one_wrong[7] += 20
    assert fit_points(one_wrong, thermal).errors.argmax() == 7


def test_too_few_points_and_points_on_a_line_are_refused(tmp_path: Path) -> None:
    square = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], float)
    with pytest.raises(ValueError, match="3 point pairs; a homography needs at least 4"):
        fit_points(square[:3], square[:3])
    with pytest.raises(ValueError, match="the thermal points lie on one line"):
        fit_points(square, np.column_stack([np.arange(4.0), np.arange(4.0)]))
    path = tmp_path / "points.txt"
    path.write_text("# visible, thermal\n1,2,3,4  # a lamp\n\n5 6 7 8\n")
    np.testing.assert_array_equal(read_points(path), [[[1, 2], [5, 6]], [[3, 4], [7, 8]]])
    path.write_text("1,2,3\n")
    with pytest.raises(ValueError, match="row 1 has 3 numbers; expected x_rgb,y_rgb,x_tir,y_tir"):
        read_points(path)


def test_a_warped_frame_lies_where_the_visible_camera_sees_it() -> None:
    scene = np.zeros((240, 320), np.uint8)
    cv2.rectangle(scene, (100, 80), (180, 150), 200, -1)
    seen = registration().warp(thermal_view(scene))
    assert seen.shape == (240, 320)
    inside = registration().coverage() == 1
    assert np.abs(seen.astype(int) - scene)[inside].mean() < 2
    assert 0.4 < inside.mean() < 0.95 and registration().coverage()[0, 0] == 0
    sixteen = registration().warp(thermal_view(scene).astype(np.uint16) * 100 + 7000)
    assert sixteen.dtype == np.uint16 and sixteen[0, 0] == 7000, "unseen pixels get the median"


def test_other_resolutions_scale_and_other_aspects_are_refused() -> None:
    scene = np.zeros((240, 320), np.uint8)
    cv2.circle(scene, (150, 110), 40, 255, -1)
    half = cv2.resize(thermal_view(scene), (80, 64), interpolation=cv2.INTER_AREA)
    large = registration().warp(half, (640, 480))
    y, x = np.nonzero(large > 128)
    assert abs(x.mean() - 300.5) < 1.5 and abs(y.mean() - 220.5) < 1.5
    with pytest.raises(ValueError, match="made for thermal frames of 160x128 pixels, not 160x90"):
        registration().warp(np.zeros((90, 160), np.uint8))


def test_boxes_are_mapped_to_the_boxes_around_them() -> None:
    (box,) = registration().map_boxes([[40, 30, 20, 16]])
    corners = apply_matrix(MATRIX, np.array([[40, 30], [60, 30], [60, 46], [40, 46]]) - 0.5) + 0.5
    np.testing.assert_allclose(box[:2], corners.min(0))
    np.testing.assert_allclose(box[:2] + box[2:], corners.max(0))


def test_files_keep_the_registration_and_name_their_faults(tmp_path: Path) -> None:
    path = tmp_path / "cameras.yaml"
    save_registration(path, registration(residual=0.5))
    loaded = load_registration(path)
    np.testing.assert_allclose(loaded.matrix, MATRIX, atol=1e-9)
    assert (loaded.rgb_size, loaded.tir_size) == (RGB_SIZE, TIR_SIZE)
    assert (loaded.method, loaded.residual, loaded.digest) == (
        "points", 0.5, registration().digest,
    )  # fmt: skip
    moved = MATRIX + np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert registration(matrix=moved).digest != loaded.digest
    text = path.read_text()
    for broken, message in (
        (text.replace("1.6,", "x,"), "cameras.yaml: matrix"),
        (text.replace("rgb_size: [320, 240]", "rgb_size: [320]"), "two sizes W, H"),
        (text.replace("[0.0001", "[-0.1"), "does not map the thermal frame to a plane"),
        (text.replace("method", "methode"), "did you mean 'method'"),
    ):
        assert broken != text
        path.write_text(broken)
        with pytest.raises(ValueError, match=message):
            load_registration(path)
    with pytest.raises(FileNotFoundError, match="no such registration"):
        load_registration(tmp_path / "none.yaml")


def test_fields_ignore_the_sign_of_edges() -> None:
    visible, _ = street(1)
    field, negative = edge_field(visible, 1.0), edge_field(255 - visible, 1.0)
    np.testing.assert_allclose(field, negative, atol=1e-4)
    turned = edge_field(np.rot90(visible).copy(), 0)
    assert (
        np.corrcoef(np.rot90(edge_field(visible, 0)[..., 0]).ravel(), turned[..., 0].ravel())[0, 1]
        < -0.8
    ), "perpendicular edges are opposites"


def test_the_automatic_way_finds_cameras_that_share_only_edges() -> None:
    scenes = [street(seed) for seed in range(3)]
    rgb = [visible for visible, _ in scenes]
    tir = [thermal_view(thermal) for _, thermal in scenes]
    result = register_frames(rgb, tir)
    found = result.registration
    assert error(found.matrix) < 3 and result.correlation > 0.3 and result.is_certain
    assert (found.rgb_size, found.tir_size, found.method) == (RGB_SIZE, TIR_SIZE, "automatic")


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of a moving disc, thermal through ``MATRIX``; points and a registration."""
    root = tmp_path_factory.mktemp("cameras")
    sequence = root / "data" / "disc"
    for name in ("color", "ir"):
        (sequence / name).mkdir(parents=True)
    for index in range(12):
        frame = disc_frame(100 + 3 * index, 120, 20)
        write_image(sequence / "color" / f"{index:04d}.png", frame)
        write_image(sequence / "ir" / f"{index:04d}.png", thermal_view(frame[..., 0]))
    boxes = [f"{80 + 3 * index},100,40,40" for index in range(12)]
    (sequence / "groundtruth.txt").write_text("\n".join(boxes) + "\n")
    thermal = np.array([[10, 10], [150, 12], [148, 118], [12, 120], [80, 60], [40, 90]], float)
    rows = np.hstack([apply_matrix(MATRIX, thermal), thermal])
    (root / "points.txt").write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    save_registration(root / "cameras.yaml", registration())
    return root


def test_register_by_points_writes_a_file_and_a_picture(
    run: Run, cameras: Path, tmp_path: Path
) -> None:
    sources = ["--rgb", cameras / "data/disc/color", "--tir", cameras / "data/disc/ir"]
    out = tmp_path / "found.yaml"
    code, text, err = run("register", *sources, "--points", cameras / "points.txt", out)
    assert code == 0, err
    assert "6 points, residual 0.00 px" in text
    assert error(load_registration(out).matrix) < 0.01
    assert read_rgb(tmp_path / "found.png").shape == (240, 640, 3)
    code, _, err = run("register", *sources, "--points", cameras / "points.txt", "--auto", out)
    assert code == 1 and "two ways to register" in err


def test_register_by_itself(run: Run, tmp_path: Path) -> None:
    for name in ("color", "ir"):
        (tmp_path / name).mkdir()
    for seed in range(3):
        visible, thermal = street(seed)
        write_image(tmp_path / "color" / f"{seed}.png", cv2.cvtColor(visible, cv2.COLOR_GRAY2RGB))
        write_image(tmp_path / "ir" / f"{seed}.png", thermal_view(thermal))
    out = tmp_path / "found.yaml"
    sources = ["--rgb", tmp_path / "color", "--tir", tmp_path / "ir"]
    code, text, _ = run("register", *sources, "--auto", "--frames", 2, out)
    assert code == 0 and "2 pairs, correlation of edges" in text
    assert error(load_registration(out).matrix) < 4


def test_what_is_not_certain_is_drawn_and_not_written(run: Run, tmp_path: Path) -> None:
    for name, seed in (("color", 1), ("ir", 2)):  # two cameras that look at different scenes
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "0.png", street(seed)[name == "ir"])
    out = tmp_path / "guess.yaml"
    command = ["register", "--rgb", tmp_path / "color", "--tir", tmp_path / "ir", "--auto", out]
    code, _, err = run(*command)
    assert code == 1 and "not sure enough to write" in err and "--accept-unsure" in err
    assert not out.exists() and read_rgb(tmp_path / "guess.png").shape == (240, 640, 3)
    code, _, err = run(*command, "--accept-unsure")
    assert code == 0, err
    assert load_registration(out).method == "automatic"


def test_track_follows_the_thermal_camera_in_visible_pixels(
    run: Run, cameras: Path, tmp_path: Path
) -> None:
    folder = cameras / "data" / "disc"
    options = ["--tracker", "matching", "--box", "80,100,40,40"]
    for sources in (["--tir", folder / "ir"], ["--rgb", folder / "color", "--tir", folder / "ir"]):
        out = tmp_path / f"{len(sources)}.txt"
        code, _, err = run(
            "track", *sources, *options, "--registration", cameras / "cameras.yaml", "--out", out
        )
        assert code == 0, err
        assert iou_xywh(read_box_rows(out)[-1], [113, 100, 40, 40]) > 0.6
    code, _, err = run("track", "--rgb", folder / "color", "--tir", folder / "ir", *options)
    assert code == 1 and "register" in err, "another aspect ratio needs one"


def test_fuse_shows_the_visible_frame_where_thermal_sees_nothing(
    run: Run, cameras: Path, tmp_path: Path
) -> None:
    folder = cameras / "data" / "disc"
    code, _, err = run(
        "fuse", "--rgb", folder / "color" / "0000.png", "--tir", folder / "ir" / "0000.png",
        "--registration", cameras / "cameras.yaml", "--look", "network", tmp_path / "fused.png",
    )  # fmt: skip
    assert code == 0, err
    fused, visible = (
        read_rgb(path).astype(int) for path in (tmp_path / "fused.png", folder / "color/0000.png")
    )
    outside = registration().coverage() == 0
    assert np.abs(fused - visible)[outside].max() <= 3
    assert np.abs(fused - visible)[~outside].mean() > 3


def test_evaluate_and_descriptions_take_a_registration(
    run: Run, cameras: Path, tmp_path: Path
) -> None:
    options = ["--root", cameras / "data", "--tracker", "matching", "--no-plots"]
    code, _, err = run(
        "evaluate", "plain", *options, "--registration", cameras / "cameras.yaml",
        "--results", tmp_path / "r",
    )  # fmt: skip
    assert code == 0, err
    boxes = read_box_rows(tmp_path / "r" / "matching" / "disc.txt")
    assert iou_xywh(boxes[-1], [113, 100, 40, 40]) > 0.6
    other = tmp_path / "other.yaml"
    save_registration(other, registration(matrix=MATRIX + np.diag([0.01, 0, 0])))
    code, _, err = run(
        "evaluate", "plain", *options, "--registration", other, "--results", tmp_path / "r"
    )
    assert code == 1 and "disc" in err, "results of another registration are not taken for these"
    description = tmp_path / "mine.yaml"
    description.write_text(
        "rgb: color\ntir: ir\nboxes: [groundtruth.txt]\nregistration: cameras.yaml\n"
    )
    with pytest.raises(FileNotFoundError, match=r"no cameras\.yaml there or above"):
        open_dataset(description, cameras / "data")
    (cameras / "data" / "cameras.yaml").write_bytes((cameras / "cameras.yaml").read_bytes())
    (sequence,) = open_dataset(description, cameras / "data")
    rgb, tir = sequence.frame(5)
    assert rgb is not None and tir is not None and tir.shape[:2] == rgb.shape[:2]
    with pytest.raises(ValueError, match="registered already"):
        sequence.image_files("tir")
