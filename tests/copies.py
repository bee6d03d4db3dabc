"""What tests of ``srzoo data`` share: pairs made in known ways, bad files, and the command's report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trees
from command import srzoo
from PIL import Image
from trees import save

from srzoo.images import Image as Decoded
from srzoo.images import write_image
from srzoo.resize import imresize

Shrink = Callable[[np.ndarray, tuple[int, int]], np.ndarray]


def matlab(hr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """LR by MATLAB's bicubic."""
    return imresize(hr, size=size)


def pillow(name: str) -> Shrink:
    """A filter of Pillow's."""
    return lambda hr, size: np.asarray(Image.fromarray(hr).resize(size[::-1], Image.Resampling[name]))


def pairs(
    root: Path, shrink: Shrink = matlab, sizes: tuple[tuple[int, int], ...] = ((112, 148), (128, 96), (84, 100))
) -> Path:
    """HR/ and LR/ at x4."""
    for number, (height, width) in enumerate(sizes):
        pixels = next(trees.crops(1, height, width, seed=number))
        save(root / "HR" / f"{number}.png", pixels)
        save(root / "LR" / f"{number}.png", shrink(pixels, (height // 4, width // 4)))
    return root


def bad_files(folder: Path) -> set[str]:
    """Files that can be used, oddly, beside ones that cannot, whose names are given back."""
    pixels = next(trees.crops(1, 96, 128))
    save(folder / "good.png", pixels)
    save(folder / "gray.png", pixels[..., 0])
    save(folder / "printed.tif", np.asarray(Image.fromarray(pixels)))
    Image.fromarray(pixels).convert("CMYK").save(folder / "printed.tif")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / "turned.jpg", exif=exif, quality=95)
    write_image(folder / "deep.png", Decoded(pixels.astype(np.float32) / 255, depth=16))
    write_image(folder / "opaque.png", Decoded(pixels, alpha=np.full(pixels.shape[:2], 255, np.uint8)))
    write_image(folder / "gray-alpha.png", Decoded(pixels[..., 0], alpha=pixels[..., 1]))
    save(folder / "pixel.png", pixels[:1, :1])
    whole = (folder / "good.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no image")
    save(folder / "good.bmp", pixels)
    return {"gray-alpha", "pixel", "cut", "empty", "text", "good.bmp"}


def verified(*arguments: object, status: int = 0) -> dict[str, Any]:
    """What ``srzoo data verify`` reports."""
    done = srzoo("data", "verify", *arguments, "--json")
    assert done.returncode == status, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report
