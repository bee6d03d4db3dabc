"""From what a person writes to a data set: ``div2k,split=valid``, ``celeba,root=/mnt/celeba`` or ``./photos``."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srzoo.dataset import Dataset
from srzoo.errors import DataError, OptionError, PartNotFoundError
from srzoo.layouts import listing
from srzoo.options import construct, parse_assignment, resolve
from srzoo.registry import REGISTRY, ResolvedPart

PACK_SUFFIX = ".safetensors"
"""By this a path is known to be a pack, not a folder."""


def open_dataset(text: str, base: Path | None = None) -> Dataset:
    """Find a data set.

    Args:
        text: ``NAME[,OPTION=VALUE...]`` with the name of a data set from ``srzoo list datasets``, whose option
            ``root`` may say where it lies; or the path of a folder or of a pack, options after it likewise. Names win
            over paths: ``./set5`` is a folder. A folder with ``HR/`` and ``LR/`` is opened as ``paired``, another
            as ``folder``.
        base: Folder that relative paths start from, and that data sets are looked for in, before the environment
            variable ``SRZOO_DATA``; the working folder where it is None.

    Raises:
        PartNotFoundError: There is neither such a data set nor such a path.
        OptionError: An option is unknown, or its value is of a wrong type or range.
        DataError: The files are not where they should be; the message says what to put where.
    """
    name, options = _split(text)
    part = _named(name)
    if part is not None:
        root = options.pop("root", None)
        if root is not None and not isinstance(root, str):
            raise OptionError(f"{text}: root is a path, not {root!r}")
        if root == "":
            raise OptionError(f"{text}: root is empty: name a folder, or leave root out")
        given = options if part.variant is None else {"variant": part.variant, **options}
        return _open(part, given, None if root is None else _place(root, base), base)
    path, whole = _place(name, base), _place(text, base)
    if path.exists():
        return open_path(path, options)
    if whole.exists():  # a path that holds a comma
        return open_path(whole)
    raise _neither(name, path)


def open_path(path: Path, options: Mapping[str, Any] | None = None) -> Dataset:
    """Open a folder or a pack, whatever its name means elsewhere.

    Args:
        path: The folder or file.
        options: Options of the data set that reads it.

    Raises:
        OptionError: An option is unknown, or its value is of a wrong type or range.
        DataError: It does not exist, or holds nothing of use.
    """
    kind, root, implied = _sort_of(path)
    return _open(REGISTRY.resolve("dataset", f"srzoo:{kind}"), implied | dict(options or {}), root, None)


def _split(text: str) -> tuple[str, dict[str, Any]]:
    """Name and options; a piece without ``=`` belongs to the value before it."""
    name, *pieces = text.split(",")
    joined: list[str] = []
    for piece in pieces:
        if "=" in piece or not joined:
            joined.append(piece)
        else:
            joined[-1] += f",{piece}"
    options = {}
    for piece in joined:
        if "=" not in piece:
            return text, {}
        (key, *rest), value = parse_assignment(piece)
        options[".".join([key, *rest])] = piece.partition("=")[2].strip() if key == "root" else value
    return name.strip(), options


def _named(name: str) -> ResolvedPart | None:
    """The data set that the name means; None if it must be a path."""
    family, slash, _ = name.partition("/")
    _, _, bare = family.rpartition(":")
    refs = [ref for ref in REGISTRY.parts("dataset") if ref.name == bare]
    if not refs or (slash and not any("variant" in inspect.signature(ref.load()).parameters for ref in refs)):
        return None
    return REGISTRY.resolve("dataset", name)


def _place(text: str, base: Path | None) -> Path:
    return (base or Path()) / Path(text).expanduser()


def _neither(name: str, path: Path) -> Exception:
    """What to say where there is neither a data set nor a path."""
    if "/" in name or os.sep in name or name.startswith((".", "~")) or name.endswith(PACK_SUFFIX):
        return DataError(f"there is no folder {path}: check the path")
    try:
        REGISTRY.resolve("dataset", name)
    except PartNotFoundError as error:
        where = "" if path.is_absolute() or path == Path(name) else f" in {path.parent}"
        return PartNotFoundError(f"{error}; nor is there a folder {name}{where}")
    raise AssertionError(name)  # _named would have found it


def _sort_of(path: Path) -> tuple[str, Path, dict[str, Any]]:
    """Which data set reads a path, from where, with which options."""
    if path.suffix == PACK_SUFFIX:
        return "pack", path, {}
    pair = _folders_called(path, "HR", "LR")
    if "lr" in pair:
        return "paired", path, {kind: written for kind, written in pair.items() if written != kind.upper()}
    if any((path / f"X{scale}" / "HR").is_dir() for scale in (2, 3, 4, 8)):
        return "paired", path, {"hr": "X{scale}/HR", "lr": "X{scale}/LR"}
    return "folder", path / pair["hr"] if "hr" in pair else path, {}


def _folders_called(path: Path, *names: str) -> dict[str, Any]:
    """Which folders of these names there are, in small letters, and how each is written; exactly so where it can be."""
    try:
        with os.scandir(path) as entries:  # which may be millions: no more is asked of most than their names
            written = sorted(each.name for each in entries if each.name.upper() in names and each.is_dir())
    except OSError:  # whoever reads it says why
        return {}
    return {each.lower(): each for each in reversed(written)}


def _open(part: ResolvedPart, given: Mapping[str, Any], root: Path | None, base: Path | None) -> Dataset:
    cls = part.ref.load()
    owner = f"data set {part.ref.name}"
    options = resolve(cls, given, owner)
    if root is None:
        return _search(cls, part.ref.name, options, base)
    if not root.exists():
        raise DataError(f"{owner}: {root} does not exist; check the path")
    opened: Dataset = construct(cls, root, options=options, owner=owner)
    return opened


def _search(cls: Any, name: str, options: Mapping[str, Any], base: Path | None) -> Dataset:
    """Open a data set at the first place that holds it."""
    owner = f"data set {name}"
    folders = [] if base is None else [base]
    folders += [Path(os.environ["SRZOO_DATA"])] if os.environ.get("SRZOO_DATA") else []
    folders = folders or [Path()]
    problem: DataError | None = None
    for root in cls.roots(folders):
        try:
            opened: Dataset = construct(cls, root, options=options, owner=owner)
            return opened
        except DataError as error:
            if root not in folders:  # a folder of all data that lacks this set is no failing of its own
                problem = problem or error
    if problem is not None:
        raise problem
    if not cls.places:
        raise DataError(f"{owner} needs its folder: write {name},root=FOLDER")
    where = " or ".join(str(folder.absolute()) for folder in folders)
    raise DataError(
        f"{owner} is not in {where} (looked for {listing(cls.places, 3)}); see what "
        f"to get: srzoo show dataset {name}; or say where it is: {name},root=FOLDER, or SRZOO_DATA=FOLDER"
    )
