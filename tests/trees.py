"""Small data sets in the layouts of the real ones, written to a folder; the pixels are those of embedded photos."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from srzoo.dataset import Dataset
from srzoo.resize import imresize

Pixels = NDArray[np.uint8]


@cache
def _photos() -> tuple[Pixels, ...]:
    return data.astronaut(), data.coffee(), data.chelsea()


def crops(count: int, height: int, width: int, seed: int = 0) -> Iterator[Pixels]:
    """Parts of the embedded photos, (height, width, 3)."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        photo = _photos()[number % len(_photos())]
        top, left = (int(draw.integers(0, a - b + 1)) for a, b in zip(photo.shape, (height, width), strict=False))
        yield photo[top : top + height, left : left + width]


def small(pixels: np.ndarray, scale: int = 4) -> np.ndarray:
    """LR of a photo."""
    return imresize(pixels, size=(pixels.shape[0] // scale, pixels.shape[1] // scale), edge="clamp")


def save(file: Path, pixels: np.ndarray, **options: Any) -> None:
    """Write an image with Pillow, and the folders it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)


def names(dataset: Dataset, scale: int | None = None) -> list[str]:
    """Names of a data set's records."""
    return [record.name for record in dataset.records(scale)]


def cifar10(root: Path, per_batch: int = 4) -> Path:
    """Five training batches and a test batch below ``cifar-10-batches-py``, pickled as Python 2 did."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = b"airplane automobile bird cat deer dog frog horse ship truck".split()
    meta = {b"num_cases_per_batch": per_batch, b"label_names": names, b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    batches = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    for number, name in enumerate(batches):
        pixels = np.stack(list(crops(per_batch, 32, 32, seed=number)))
        labels = [(number + index) % 10 for index in range(per_batch)]
        content = {
            b"batch_label": name.encode(),
            b"labels": labels,
            b"data": np.ascontiguousarray(pixels.transpose(0, 3, 1, 2).reshape(per_batch, 3072)),
            b"filenames": [f"{names[label].decode()}_s_{index:06}.png".encode() for index, label in enumerate(labels)],
        }
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return root


def celeba(root: Path, count: int = 6) -> Path:
    """Aligned faces of 178x218 pixels with their lists: the last but one is for validation, the last for testing."""
    photos = root / "img_align_celeba"
    photos.mkdir(parents=True)
    names = [f"{number:06}.jpg" for number in range(1, count + 1)]
    for name, pixels in zip(names, crops(count, 218, 178), strict=True):
        Image.fromarray(pixels).save(photos / name, quality=90)
    splits = [0] * (count - 2) + [1, 2]
    (root / "list_eval_partition.txt").write_text("".join(f"{n} {s}\n" for n, s in zip(names, splits, strict=True)))
    attributes = [f"{name}  {1 if index % 2 else -1:2} -1" for index, name in enumerate(names)]
    (root / "list_attr_celeba.txt").write_text("\n".join([str(count), "Smiling Male", *attributes, ""]))
    return root


def imagenet(root: Path, per_class: int = 2) -> Path:
    """Two classes of training photos in folders of their own, and two validation photos in one."""
    for number, name in enumerate(("n01440764", "n02123045")):
        folder = root / "train" / name
        folder.mkdir(parents=True)
        for index, pixels in enumerate(crops(per_class, 150, 200, seed=number)):
            Image.fromarray(pixels).save(folder / f"{name}_{index + 10}.JPEG", quality=90)
    (root / "val").mkdir()
    for index, pixels in enumerate(crops(2, 150, 200, seed=9)):
        Image.fromarray(pixels).save(root / "val" / f"ILSVRC2012_val_{index + 1:08}.JPEG", quality=90)
    return root


def div2k(root: Path, scale: int = 4) -> Path:
    """Four training and two validation photos, with bicubic LR for one scale."""
    for split, first, count in (("train", 1, 4), ("valid", 801, 2)):
        hr, lr = root / f"DIV2K_{split}_HR", root / f"DIV2K_{split}_LR_bicubic" / f"X{scale}"
        hr.mkdir(parents=True)
        lr.mkdir(parents=True)
        for index, pixels in enumerate(crops(count, 144, 192, seed=first)):
            name = f"{first + index:04}"
            Image.fromarray(pixels).save(hr / f"{name}.png")
            Image.fromarray(small(pixels, scale)).save(lr / f"{name}x{scale}.png")
    return root
