"""Tiny copies of every data set layout, for the tests of the readers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

BOXES = np.array([[2, 3, 10, 8], [3, 3, 10, 8], [4.5, 3, 10, 8]])
SIZE = (24, 32)


def image(path: Path, value: int, channels: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(value).integers(0, 255, (*SIZE, channels), np.uint8)
    assert cv2.imwrite(str(path), pixels if channels > 1 else pixels[..., 0])


def frames(folder: Path, name: str, count: int = 3, channels: int = 3) -> None:
    for index in range(count):
        image(folder / name.format(index), index, channels)


def table(path: Path, rows, separator: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(separator.join(map(str, row)) for row in rows) + "\n")


def mask(path: Path, box, value: int = 255) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(SIZE, np.uint8)
    x, y, w, h = (int(number) for number in box)
    pixels[y : y + h, x : x + w] = value
    assert cv2.imwrite(str(path), pixels)


def plain(root: Path, name: str = "walk", count: int = 3) -> Path:
    frames(root / name / "color", "{:08d}.jpg", count)
    frames(root / name / "ir", "{:08d}.png", count, 1)
    table(root / name / "groundtruth.txt", np.resize(BOXES, (count, 4)))
    return root / name


def gtot(root: Path) -> None:
    corners = np.concatenate([BOXES[:, :2], BOXES[:, :2] + BOXES[:, 2:]], axis=1)
    for name in ("BlackCar", "OccCar-1"):
        frames(root / name / "v", "{:05d}v.png")
        frames(root / name / "i", "{:05d}i.bmp", channels=1)
        table(root / name / "groundTruth_v.txt", corners, " ")
        table(root / name / "groundTruth_i.txt", corners + 1, "\t")


def rgbt210(root: Path) -> None:
    for name in ("afterrain", "biketwo"):
        frames(root / "RGBT210" / name / "visible", "{:05d}v.jpg")
        frames(root / "RGBT210" / name / "infrared", "{:05d}i.jpg")
        table(root / "RGBT210" / name / "init.txt", BOXES)


def rgbt234(root: Path) -> None:
    for name in ("afterrain", "blkboy`shead"):
        frames(root / name / "visible", "{:05d}v.jpg")
        frames(root / name / "infrared", "{:05d}i.jpg")
        table(root / name / "visible.txt", BOXES)
        table(root / name / "infrared.txt", BOXES + 1)


def lasher(root: Path) -> None:
    for part, name in (("trainingset", "9boy"), ("testingset", "10runone"), ("testingset", "2up")):
        folder = root / part / name
        frames(folder / "visible", "v{:03d}.jpg")
        frames(folder / "infrared", "i{:03d}.jpg")
        rows = BOXES.copy()
        rows[2] = 0
        table(folder / "init.txt", rows)
    table(root / "List_for_Protocol2" / "testingsetList.txt", [["10runone"], ["2up"]])
    flags = [["0", "1", "0", "0", "0", "1", *["0"] * 13]]
    table(root / "Attributes" / "x.txt", flags)
    table(root / "AttriSeqsTxt" / "10runone.txt", flags)


def vtuav(root: Path) -> None:
    for part, name in (("train_ST_001", "bus_001"), ("test_LT_001", "car_002")):
        frames(root / part / name / "rgb", "{:06d}.jpg", 25)
        frames(root / part / name / "ir", "{:06d}.jpg", 25)
        table(root / part / name / "rgb.txt", BOXES, " ")
        table(root / part / name / "ir.txt", BOXES + 1, " ")


def vot(root: Path) -> None:
    folder = root / "sequences" / "afterrain"
    for number in range(1, 5):
        image(folder / "color" / f"{number:08d}.jpg", number)
        image(folder / "ir" / f"{number:08d}.png", number, 1)
    (folder / "sequence").write_text(
        "name=afterrain\nfps=30\nformat=default\n"
        "channels.color=color/%08d.jpg\nchannels.ir=ir/%08d.png\n"
    )
    (folder / "groundtruth.txt").write_text(
        "2,3,10,8\n3,3,13,3,13,11,3,11\nm4,3,10,8,0,80\nnan,nan,nan,nan\n"
    )
    (folder / "occlusion.tag").write_text("0\n1\n0\n0\n")
    (folder / "camera_motion.tag").write_text("0\n0\n0\n0\n")


def saliency(root: Path) -> None:
    for stem in ("10", "9"):
        image(root / "RGB" / f"{stem}.jpg", 1)
        image(root / "T" / f"{stem}.jpg", 2)
        mask(root / "GT" / f"{stem}.png", BOXES[0])


def vt5000(root: Path) -> None:
    saliency(root / "Train")
    saliency(root / "Test")


def kaist(root: Path) -> None:
    for part, video in (("set00", "V000"), ("set00", "V001"), ("set06", "V000")):
        frames(root / part / video / "visible", "I{:05d}.jpg")
        frames(root / part / video / "lwir", "I{:05d}.jpg")


def plain_rgb(root: Path) -> None:
    frames(root / "dog" / "color", "{:08d}.jpg")
    table(root / "dog" / "groundtruth.txt", BOXES)
    for index, box in enumerate(BOXES):
        mask(root / "dog" / "mask" / f"{index:08d}.png", box)


def boxed_images(root: Path) -> None:
    image(root / "images" / "a.jpg", 1)
    image(root / "images" / "b.jpg", 2)
    text = '{"a.jpg": [[2, 3, 10, 8], [20, 2, 6, 6]], "b.jpg": [[1, 1, 5, 5]]}'
    (root / "boxes.json").write_text(text)
    labels = np.zeros(SIZE, np.uint8)
    labels[3:11, 2:12], labels[2:8, 20:26] = 2, 1
    (root / "masks").mkdir()
    assert cv2.imwrite(str(root / "masks" / "a.png"), labels)


def images(root: Path) -> None:
    image(root / "images" / "a.jpg", 1)
    image(root / "images" / "b.png", 2)


def pairs(root: Path) -> None:
    for group in ("road", "msrs"):
        image(root / group / "color" / "00004N.jpg", 1)
        image(root / group / "ir" / "00004N.png", 2, 1)
    labels = root / "msrs" / "boxes_fusion" / "00004N.txt"
    table(labels, [["person", 2, 3, 10, 8], ["car", 1, 1, 5, 5]])


def still_pairs(root: Path, visible: str, infrared: str) -> None:
    for stem in ("FLIR_00006", "FLIR_00018"):
        image(root / visible / f"{stem}.jpg", 1)
        image(root / infrared / f"{stem}.jpg", 2, 1)


def msrs(root: Path) -> None:
    for part in ("train", "test"):
        still_pairs(root / part, "vi", "ir")


def roadscene(root: Path) -> None:
    still_pairs(root, "crop_LR_visible", "cropinfrared")


def tno(root: Path) -> None:
    still_pairs(root, "vi", "ir")


def video(path: Path, count: int = 6, first: int = 0) -> list[np.ndarray]:
    """A video of smooth frames of distinct brightness, for which a lossy codec is good enough."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.broadcast_to(np.arange(SIZE[1], dtype=np.uint8)[None, :, None] // 4, (*SIZE, 3))
    frames = [ramp + np.uint8(10 + 11 * (first + index)) for index in range(count)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, SIZE[::-1])
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return frames


def track(path: Path, first: int = 0) -> None:
    table(path, [[first + index, *box] for index, box in enumerate(BOXES)])


def object_pairs(root: Path) -> None:
    for number in range(2):
        image(root / "rgb" / f"car_day_{number}.jpg", number)
        image(root / "tir" / f"car_day_{number}.jpg", number, 1)


def videos(root: Path) -> None:
    for name in ("street", "yard"):
        video(root / f"{name}.avi")
        track(root / f"{name}__walker.txt")
    track(root / "yard__dog.txt", first=2)


def plain_tir(root: Path) -> None:
    shutil.rmtree(plain(root) / "color")


TREES: dict[str, Callable[[Path], object]] = {
    "plain": plain,
    "plain_rgb": plain_rgb,
    "plain_tir": plain_tir,
    "video_rgb": videos,
    "video_tir": videos,
    "boxed_images": boxed_images,
    "object_pairs": object_pairs,
    "images": images,
    "pairs": pairs,
    "gtot": gtot,
    "rgbt210": rgbt210,
    "rgbt234": rgbt234,
    "lasher": lasher,
    "vtuav": vtuav,
    "vot_rgbt2019": vot,
    "vot_rgbt2020": vot,
    "vt821": saliency,
    "vt1000": saliency,
    "vt5000": vt5000,
    "kaist": kaist,
    "msrs": msrs,
    "roadscene": roadscene,
    "tno": tno,
}
