"""Checks of data sets and degradations."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srzoo.dataset import About, Dataset, Record
from srzoo.errors import DataError, ImageError
from srzoo.testing.subject import CheckFailed, Given, Subject

SCALES: tuple[Given, ...] = ((2,), (3,), (4,))
"""What degradations are constructed with."""


def default_constructible_step(subject: Subject) -> None:
    """It can be constructed without a single option."""
    for _ in subject.made(SCALES, subject.make_plain):
        pass


def _each_step(check: Callable[[Any, int], None]) -> Callable[[Subject], None]:
    """Run a check at every scale, and have its complaint say at which."""

    @wraps(check)
    def checked(subject: Subject) -> None:
        for given, step in subject.made(SCALES, subject.make):
            try:
                check(step, given[0])
            except CheckFailed as failure:
                raise CheckFailed(f"{failure}, at x{given[0]}") from failure

    return checked


def _photo(scale: int, n: int = 2, size: tuple[int, int] = (20, 12)) -> Tensor:
    """HR images that are smooth in places and rough in others, (N, 3, scale * H, scale * W)."""
    generator = torch.Generator().manual_seed(5)
    rough = torch.rand(n, 3, scale * size[0], scale * size[1], generator=generator)
    ramp = torch.linspace(0, 1, scale * size[1]).expand_as(rough)
    return 0.5 * ramp + 0.5 * rough * (ramp > 0.4)


def _draw(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


@_each_step
def shrinks(step: Any, scale: int) -> None:
    """It shrinks by the scale or keeps the size, as it declares; results are float in [0, 1]."""
    for n in (1, 2):
        image = _photo(scale, n)
        result = step.forward(image, _draw())
        factor = scale if step.shrinks else 1
        wanted = (n, 3, image.shape[-2] // factor, image.shape[-1] // factor)
        if not isinstance(result, Tensor) or tuple(result.shape) != wanted:
            found = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise CheckFailed(f"makes {found} of {tuple(image.shape)} where it declares shrinks = {step.shrinks}")
        if result.dtype != image.dtype or not result.isfinite().all() or result.min() < 0 or result.max() > 1:
            raise CheckFailed(
                f"returns {result.dtype} in [{result.min():.3g}, {result.max():.3g}], not float in [0, 1]"
            )


@_each_step
def draws(step: Any, scale: int) -> None:
    """The same draw gives the same result, and how much is drawn does not depend on the image."""
    first, second = _draw(), _draw()
    if not torch.equal(step.forward(_photo(scale), first), step.forward(_photo(scale), second)):
        raise CheckFailed("gives another result for the same draw")
    third = _draw()
    step.forward(1 - _photo(scale).square(), third)
    if first.bit_generator.state != third.bit_generator.state:
        raise CheckFailed("draws more or less depending on the image's values")


@_each_step
def randomness(step: Any, scale: int) -> None:
    """`random` is honest: the result depends on the draw where it is declared, and nowhere else."""
    results = [step.forward(_photo(scale), _draw(seed)) for seed in range(8)]
    varies = any(not torch.equal(results[0], each) for each in results[1:])
    if varies and not step.random:
        raise CheckFailed("declares random = False, but its result depends on the draw")
    if step.random and not varies:
        raise CheckFailed("declares random = True, but eight draws gave one result")


@_each_step
def margin(step: Any, scale: int) -> None:
    """`margin` is honest: what lies further away changes nothing, for a step that is not random."""
    if step.random or step.margin is None:
        return
    reach: int = step.margin
    image = _photo(scale, size=(reach // scale * 2 + 12, reach // scale * 2 + 8))
    top, left = (side // scale // 2 * scale for side in image.shape[-2:])
    near = ..., slice(top - reach, top + scale + reach), slice(left - reach, left + scale + reach)
    other = 1 - image
    other[near] = image[near]
    factor = scale if step.shrinks else 1
    place = ..., slice(top // factor, (top + scale) // factor), slice(left // factor, (left + scale) // factor)
    if not torch.equal(step.forward(image, _draw())[place], step.forward(other, _draw())[place]):
        raise CheckFailed(f"depends on pixels further away than its margin of {reach}")


@_each_step
def image_untouched(step: Any, scale: int) -> None:
    """It does not change the image that it is handed."""
    image = _photo(scale)
    step.forward(image, _draw())
    if not torch.equal(image, _photo(scale)):
        raise CheckFailed("writes into its input")


def exercise_step(subject: Subject) -> None:
    """Construct a degradation and use it."""
    for given, step in subject.made(SCALES, subject.make):
        step.forward(_photo(given[0]), _draw())


def default_constructible_set(subject: Subject) -> None:
    """It can be constructed without a single option, or says by a DataError what to put where."""
    _records(subject, subject.make_plain)


def about(subject: Subject) -> None:
    """`about` tells title, origin, licence, download and layout."""
    found = getattr(subject.cls, "about", None)
    if not isinstance(found, About):
        raise CheckFailed(f"declares about as {found!r}, which is no srzoo.dataset.About")
    for name in ("title", "origin", "licence", "download"):
        if not isinstance(text := getattr(found, name), str) or not text:
            raise CheckFailed(f"does not tell {name} in about: {text!r}")
    if not isinstance(found.layout, tuple) or not found.layout or not all(found.layout):
        raise CheckFailed(f"does not tell layout in about, one line for each folder or file: {found.layout!r}")


def records(subject: Subject) -> None:
    """Records have names of their own, an order that stays, and sizes that are those of the images."""
    first, second = _records(subject, subject.make), _records(subject, subject.make)
    names = [record.name for record in first]
    if names != [record.name for record in second]:
        raise CheckFailed("lists its photos in another order the second time")
    if len(set(names)) < len(names):
        raise CheckFailed(f"has two photos of the name {next(name for name in names if names.count(name) > 1)}")
    for record in first[:3]:
        if tuple(record.hr().pixels.shape[:2]) != tuple(record.hr.size):
            raise CheckFailed(f"says that {record.name} has the size {record.hr.size}, not {record.hr().pixels.shape}")


def _records(subject: Subject, make: Callable[[Given], Any]) -> list[Record]:
    """All photos of the data set that the test gave, or of an empty folder."""
    if subject.given:
        found: Dataset = make(subject.given[0])
        return list(found.records())
    with tempfile.TemporaryDirectory() as folder:
        return _in_empty(Path(folder), make)


def _in_empty(folder: Path, make: Callable[[Given], Any]) -> list[Record]:
    """What a data set finds in an empty folder: nothing, with an error that names the folder, or all it needs."""
    try:
        found: Dataset = make((folder,))
        return list(found.records())
    except (DataError, ImageError) as error:
        if str(folder) not in str(error) or "\n" in str(error):
            raise CheckFailed(f"does not say on one line what {folder} lacks: {error}") from error
    return []


def exercise_set(subject: Subject) -> None:
    """Construct a data set, list its photos and decode the first; while watched, the temporary folder is empty."""
    empty = Path(tempfile.gettempdir())
    found = subject.make(subject.given[0]).records() if subject.given else _in_empty(empty, subject.make)
    for record in found[:1]:
        record.hr()
