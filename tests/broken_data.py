"""Degradations and data sets that are each broken in one way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sound_parts import Fade, Gray, Grays
from torch import Tensor
from torch.nn import functional as F

from srzoo.dataset import About, Record
from srzoo.errors import DataError


class Halves(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return super().forward(image, draw)[..., ::2, ::2]


class TooBright(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return image + draw.uniform()


class FadesInput(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return image.mul_(draw.uniform(self.least, 1.0))


class OwnChance(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return super().forward(image, np.random.default_rng())


class DrawsWhereBright(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        draw.uniform(size=int((image > 0.5).sum()))
        return super().forward(image, draw)


class SaysFixed(Fade):
    random = False


class SaysRandom(Fade):
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return image * self.least


class LooksFurther(Fade):
    random = False
    margin = 1

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return F.avg_pool2d(image, 5, 1, 2)


class NoLicence(Grays):
    about = About("Grays", "made up", "", "", "nothing", ("nothing",), {})


class Twins(Grays):
    def records(self, scale: int | None = None) -> list[Record]:
        return [Record("one", "memory", Gray()) for _ in range(2)]


class WrongSize(Grays):
    class Small(Gray):
        size = (4, 3)

    def records(self, scale: int | None = None) -> list[Record]:
        return [Record("one", "memory", self.Small())]


class FailsWithoutWords(Grays):
    def __init__(self, root: Path) -> None:
        if not (root / "photos").is_dir():
            raise DataError("photos are missing")


class PrintsPhotos(Grays):
    def records(self, scale: int | None = None) -> list[Record]:
        print("two photos")
        return super().records(scale)


BROKEN: list[tuple[str, type, str]] = [
    ("degradation", Halves, "shrinks"),
    ("degradation", TooBright, "shrinks"),
    ("degradation", FadesInput, "inputs_untouched"),
    ("degradation", OwnChance, "draws"),
    ("degradation", DrawsWhereBright, "draws"),
    ("degradation", SaysFixed, "random"),
    ("degradation", SaysRandom, "random"),
    ("degradation", LooksFurther, "margin"),
    ("dataset", FailsWithoutWords, "default_constructible"),
    ("dataset", NoLicence, "about"),
    ("dataset", Twins, "records"),
    ("dataset", WrongSize, "records"),
    ("dataset", PrintsPhotos, "prints"),
]
"""A part that is broken in one way, and the check that is to find it before any other does."""
