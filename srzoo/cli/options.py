"""Options that several commands take."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.types import StringParamType

from srzoo.scale import Scale, exact_scale

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class Amount(click.FloatRange):
    """A finite number; `click.FloatRange` lets ``inf`` and ``nan`` pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or refuse it."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


class Named(StringParamType):
    """A text that is not empty, as one from an unset variable of the shell is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it, or refuse it."""
        return super().convert(_not_empty(self, value, param, ctx), param, ctx)


class NamedPath(click.Path):
    """A path that is not empty; `click.Path` takes that for ``.``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it, or refuse it."""
        return super().convert(_not_empty(self, value, param, ctx), param, ctx)


def _not_empty(kind: Any, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
    if value == "":
        kind.fail("it is empty", param, ctx)
    return value


def scale_option(text: str) -> Callable[[AnyFunction], AnyFunction]:
    """Give a command ``--scale``, which takes 4, 2.5 or 5/2, with a text for its help."""
    return click.option("--scale", metavar="S", callback=_read, help=text)


def _read(context: click.Context, parameter: click.Parameter, value: str | None) -> Scale | None:
    try:
        return None if value is None else exact_scale(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def data_option(function: AnyFunction) -> AnyFunction:
    """Give a command ``--data``: what a model is measured on."""
    text = "Folder of HR images, or of HR/ and LR/, or a data set.  [default: five photos]"
    return click.option("--data", type=Named(), metavar="DATA", help=text)(function)


def device_option(function: AnyFunction) -> AnyFunction:
    """Give a command ``--device``, which `srzoo.zoo.usable_device` reads."""
    text = "Where to compute: auto, cpu, cuda, cuda:1, mps."
    return click.option("--device", default="auto", show_default=True, help=text)(function)


def seed_option(text: str) -> Callable[[AnyFunction], AnyFunction]:
    """Give a command ``--seed``, a whole number from 0, with a text for its help."""
    return click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help=text)
