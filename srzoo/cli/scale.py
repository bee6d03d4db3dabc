"""Enlargement factors on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from srzoo.scale import Scale, exact_scale

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def scale_option(text: str) -> Callable[[AnyFunction], AnyFunction]:
    """Give a command ``--scale``, which takes 4, 2.5 or 5/2, with a text for its help."""
    return click.option("--scale", metavar="S", callback=_read, help=text)


def _read(context: click.Context, parameter: click.Parameter, value: str | None) -> Scale | None:
    try:
        return None if value is None else exact_scale(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
