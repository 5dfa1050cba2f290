"""Tiny sets whose labels are outlines: two boxes in each image, written as each tool writes them."""

import json
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from segnet.data.datasets.folder import Folder

HEIGHT, WIDTH = 12, 16
LARGE = [1, 1, 11, 1, 11, 9, 1, 9]  # x from 1 to 10, y from 1 to 8
SMALL = [3, 3, 7, 3, 7, 6, 3, 6]


def photo(path: Path, number: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def pairs(numbers: list[float]) -> list[list[float]]:
    return np.reshape(numbers, (-1, 2)).tolist()


def labelme(*shapes: tuple[str, str, list[list[float]]], size: tuple[int, int] = (HEIGHT, WIDTH)) -> dict:
    listed = [{"label": name, "shape_type": kind, "points": points} for name, kind, points in shapes]
    return {"shapes": listed, "imageHeight": size[0], "imageWidth": size[1], "imagePath": "x.png", "imageData": None}


def annotation(number: int, image: int, category: int, region: object) -> dict:
    return {"id": number, "image_id": image, "category_id": category, "segmentation": region, "bbox": [0, 0, 1, 1]}


def coco(names: list[str], annotations: list[dict]) -> dict:
    images = [{"id": 7 + n, "file_name": name, "height": HEIGHT, "width": WIDTH} for n, name in enumerate(names)]
    categories = [{"id": 3, "name": "car"}, {"id": 1, "name": "bag"}, {"id": 9, "name": "never used"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def yolo_line(number: int, outline: list[float]) -> str:
    shares = [value / (HEIGHT if place % 2 else WIDTH) for place, value in enumerate(outline)]
    return f"{number} {' '.join(f'{share:.6f}' for share in shares)}\n"


def write_labelme(root: Path) -> None:
    for number in range(6):
        photo(root / f"{number}.png", number)
        shapes = ("bag", "polygon", pairs(SMALL)), ("car", "polygon", pairs(LARGE)), ("bag", "polygon", pairs(SMALL))
        write_json(root / f"{number}.json", labelme(*shapes))


def write_coco(root: Path) -> None:
    names = [f"{number}.png" for number in range(6)]
    outlines = []
    for number, name in enumerate(names):
        photo(root / "images" / name, number)
        outlines += [annotation(2 * number, 7 + number, 1, [SMALL]), annotation(2 * number + 1, 7 + number, 3, [LARGE])]
    write_json(root / "annotations" / "instances_default.json", coco(names, outlines))


def write_yolo(root: Path) -> None:
    for split in ("train", "val"):
        for number in range(4):
            photo(root / f"images/{split}/{number}.png", number)
            label = root / f"labels/{split}/{number}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(yolo_line(0, SMALL) + yolo_line(1, LARGE))
    names = {0: "bag", 1: "car"}
    content = {"path": "photos", "train": "images/train", "val": "images/val", "names": names, "download": "rm -rf /"}
    (root / "data.yaml").write_text(yaml.safe_dump(content | {"path": None}))
    (root.parent / "camvid.yaml").write_text(yaml.safe_dump(content))


FORMS = {"labelme": write_labelme, "coco": write_coco, "yolo": write_yolo}


def expected(background: int, car: int, bag: int) -> np.ndarray:
    label = np.full((HEIGHT, WIDTH), background, np.uint8)
    label[1:9, 1:11] = car
    label[3:6, 3:7] = bag
    return label


def first(root: Path, split: str = "train") -> np.ndarray:
    return Folder(split, root).load(0, np.random.default_rng())[1]
