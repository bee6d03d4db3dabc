"""How commands speak: tables and JSON on standard output, warnings on standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def json_option(function: AnyFunction) -> AnyFunction:
    """Give a command ``--json``, handed to it as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs to read.")(function)


def print_json(value: Any) -> None:
    """Print a value as JSON; what JSON lacks becomes text (paths), or null (NaN and infinities)."""
    click.echo(json.dumps(_finite(value), indent=2, default=str))


def warn(message: str) -> None:
    """Print one line on standard error and go on."""
    click.echo("warning: " + " ".join(message.split()), err=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
    """Print a table: for people on a terminal, else in plain aligned columns that are never cut.

    On a terminal the widest column of text is folded where need be, and no other, so that names and numbers stay whole;
    where that does not suffice, the columns are plain there as well.

    Args:
        columns: Headings.
        rows: One sequence of cells per row; None is an empty cell. Columns of numbers are aligned to the right.
        title: A line above the table.
    """
    texts = [[cell_text(cell) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(row[index] is None or isinstance(row[index], int | float) for row in rows)
        for index in range(len(columns))
    ]
    for index, right in enumerate(numeric):
        if right and any(isinstance(row[index], float) for row in rows):
            _align_decimals(texts, index)
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    if sys.stdout.isatty() and _print_rich(columns, texts, numeric, widths, title):
        return
    if title:
        click.echo(title)
    for line in (columns, *texts):
        cells = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _align_decimals(texts: list[list[str]], index: int) -> None:
    """Give every number of a column the decimals of the one that has most; infinities and exponents stay."""
    plain = [line for line in texts if line[index].lstrip("-").replace(".", "", 1).isdigit()]
    decimals = max((len(line[index].partition(".")[2]) for line in plain), default=0)
    for line in plain:
        whole, _, fraction = line[index].partition(".")
        line[index] = f"{whole}.{fraction.ljust(decimals, '0')}" if decimals else whole


def print_fields(fields: Mapping[str, Any], indent: int = 0) -> None:
    """Print a nested mapping, one name and value per line, what is nested further in."""
    width = max((len(name) for name, value in fields.items() if not _is_nested(value)), default=0)
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            click.echo(f"{' ' * indent}{name}")
            print_fields(value, indent + 2)
        elif _is_nested(value):
            click.echo(f"{' ' * indent}{name}")
            for item in value:
                inner, rest = indent + 2, dict(item)
                if heading := rest.pop("name", ""):
                    click.echo(f"{' ' * inner}{heading}")
                    inner += 2
                print_fields(rest, inner)
        else:
            click.echo(f"{' ' * indent}{name.ljust(width)}  {cell_text(value)}".rstrip())


def cell_text(value: Any) -> str:
    """Write a value for people: yes and no in words, lists between commas, nothing for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell_text, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={cell_text(item)}" for name, item in value.items())
    return " ".join(str(value).split())


def _is_nested(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_FOLDED = 20
"""Fewest characters to which a column is folded."""


def _print_rich(
    columns: Sequence[str], texts: list[list[str]], numeric: list[bool], widths: list[int], title: str
) -> bool:
    """Print a table with rules and folded text; False where the terminal is too narrow for it."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left")
    folded = max(range(len(columns)), key=lambda index: (not numeric[index], widths[index]))
    for index, (name, right) in enumerate(zip(columns, numeric, strict=True)):
        table.add_column(Text(name), justify="right" if right else "left", overflow="fold", no_wrap=index != folded)
    for line in texts:
        table.add_row(*map(Text, line))
    console = Console()
    least = sum(widths) - widths[folded] + min(widths[folded], _FOLDED) + 2 * len(widths)
    if least > console.width:
        return False
    console.print(table)
    return True
