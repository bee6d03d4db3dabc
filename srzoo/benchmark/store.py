"""One result per file, found again by everything that could change it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from srzoo.errors import DataError, UsageError
from srzoo.files import check_target, write_atomically

Kind = Literal["quality", "cost"]

SCORES = ("psnr_y", "ssim_y", "lr_psnr")
"""What is kept of a model's quality: a mean over images, and one value for each."""


def digest_of(value: Any) -> str:
    """First 12 hexadecimal digits of the sha256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Result:
    """Something that was measured."""

    kind: Kind
    """``quality`` does not depend on the machine, ``cost`` does."""

    model: str
    """Name or path that the model was asked for by."""

    key: Mapping[str, Any]
    """Everything that could change the values; results of equal keys are interchangeable."""

    values: Mapping[str, Any]
    """What was measured, and what the model says of itself."""


class Store:
    """A folder of results, or, without a folder, nothing.

    Args:
        folder: Where results are kept; made if need be.
        fresh: Look nothing up, so that everything is measured again.

    Raises:
        UsageError: The folder cannot be made or written to.
    """

    def __init__(self, folder: Path | None, *, fresh: bool = False) -> None:
        self._folder = folder
        self._fresh = fresh
        if folder is not None:
            for kind in get_args(Kind):
                try:
                    (folder / kind).mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise UsageError(f"cannot make the results folder {folder}: {error.strerror}") from None
                check_target(folder / kind / "result.json")

    def find(self, kind: Kind, model: str, key: Mapping[str, Any]) -> Result | None:
        """The result of that model and key, if it was measured before.

        Raises:
            DataError: Its file is damaged.
        """
        file = self._file(kind, model, key)
        if file is None or self._fresh or not file.is_file():
            return None
        try:
            result = Result(**json.loads(file.read_text(encoding="utf-8")))
            _check_values(kind, result.values)
        except (KeyError, ValueError, TypeError, AttributeError):
            raise DataError(f"result {file} is damaged: delete it, or measure again with --fresh") from None
        return result if result.key == key else None

    def add(self, result: Result) -> None:
        """Keep a result.

        Raises:
            WriteError: The file cannot be written.
        """
        file = self._file(result.kind, result.model, result.key)
        if file is None:
            return
        content = json.dumps(asdict(result), indent=2, sort_keys=True, allow_nan=False)
        write_atomically(file, content.encode() + b"\n")

    def _file(self, kind: Kind, model: str, key: Mapping[str, Any]) -> Path | None:
        if self._folder is None:
            return None
        name = re.sub(r"[^\w.-]+", "-", Path(model).name.replace(".safetensors", ""))
        return self._folder / kind / f"{name}-{digest_of({'model': model, 'key': key})}.json"


def _check_values(kind: Kind, values: Mapping[str, Any]) -> None:
    """Whether all that a ranking needs is there; raises what Python raises where it is not."""
    for name in ("params", "macs", "seconds", "memory") if kind == "cost" else ("trained", "config", "training"):
        values[name]
    if kind == "quality":
        floats(values["mean"])


def floats(mean: Mapping[str, Any]) -> dict[str, float]:
    """Scores as numbers, which infinity is none of in JSON."""
    return {name: float(mean[name]) for name in SCORES}
