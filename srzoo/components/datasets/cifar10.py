"""CIFAR-10 in the Python batches of its author."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from srzoo.dataset import About, Dataset, Picture, Record, cut
from srzoo.errors import DataError, ImageError
from srzoo.images import Image

_BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""All that a pickle of byte arrays, lists and text refers to, whichever Python and numpy wrote it."""


class _RefusedError(Exception):
    """A pickle asks for what it has no need of."""


class _Restricted(pickle.Unpickler):
    """Reads plain data and arrays; whatever else a pickle asks for is refused before it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise _RefusedError(f"it asks for {module}.{name}, which no CIFAR-10 batch needs")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


@lru_cache(maxsize=6)
def _batch(path: str) -> NDArray[np.uint8]:
    """Photos of a batch, (N, 32, 32, 3)."""
    data = _unpickled(path).get(b"data")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise DataError(f"{path} is no CIFAR-10 batch: it lacks data of shape (N, 3072); download it again")
    return np.ascontiguousarray(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _unpickled(path: str) -> dict[bytes, Any]:
    try:
        content = _Restricted(io.BytesIO(Path(path).read_bytes()), encoding="bytes").load()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; unpack cifar-10-python.tar.gz there") from None
    except _RefusedError as error:
        raise DataError(f"{path} is refused: {error}; download it again from its author") from None
    except Exception as error:  # a damaged pickle makes Python's reader raise nearly anything
        raise DataError(f"{path} is damaged ({type(error).__name__}: {error}); download it again") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} is no CIFAR-10 batch: it holds no dictionary; download it again")
    # Python 3 writes the keys as text, Python 2 as bytes.
    return {key.encode() if isinstance(key, str) else key: value for key, value in content.items()}


@dataclass(frozen=True, slots=True)
class _BatchPicture(Picture):
    """One photo of a batch."""

    windowed: ClassVar[bool] = True

    path: str
    index: int

    def __call__(self) -> Image:
        try:
            return Image(_batch(self.path)[self.index])
        except DataError as error:
            raise ImageError(str(error)) from None

    @property
    def size(self) -> tuple[int, int]:
        return 32, 32

    def window(self, top: int, left: int, height: int, width: int) -> Image:
        return cut(self(), top, left, height, width)


class CIFAR10(Dataset):
    """CIFAR-10: 60,000 colour images of 32x32 pixels in ten classes.

    Its batches are pickles. They are read by an unpickler that knows arrays, lists and text and refuses all else, so
    that a batch from somewhere else cannot run code.
    """

    about = About(
        title="CIFAR-10",
        origin="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence="none stated; the author asks that his report be cited",
        citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009",
        download="cifar-10-python.tar.gz, unpacked: it holds the folder cifar-10-batches-py",
        layout=("data_batch_1 to data_batch_5", "test_batch", "batches.meta: the names of the classes"),
        images={"train": 50000, "test": 10000},
    )
    places = ("cifar-10-batches-py", "CIFAR10", "CIFAR-10", "datasets/CIFAR10", "datasets")

    def __init__(
        self,
        root: Path,
        *,
        split: Annotated[Literal["train", "test"], Field(description="Which photos.")] = "train",
    ) -> None:
        inside = root / "cifar-10-batches-py"
        folder = inside if inside.is_dir() else root
        self._batches = [folder / name for name in _BATCHES[split]]
        self._meta = folder / "batches.meta"
        for file in (self._meta, *self._batches):
            if not file.is_file():
                raise DataError(f"{file} does not exist; unpack cifar-10-python.tar.gz into {root}")

    def records(self, scale: int | None = None) -> Sequence[Record]:
        classes = _unpickled(str(self._meta)).get(b"label_names", [])
        names = [each.decode() if isinstance(each, bytes) else str(each) for each in classes]
        return [record for batch in self._batches for record in _records(batch, names)]


def _records(batch: Path, classes: Sequence[str]) -> list[Record]:
    """A record for each photo, called by its batch, its number and its class, such as ``data_batch_1-00000-frog``."""
    path = str(batch)
    labels = _unpickled(path).get(b"labels", [])
    count = len(_batch(path))
    if len(labels) != count or not all(isinstance(label, int) and 0 <= label < len(classes) for label in labels):
        raise DataError(f"{batch} is no CIFAR-10 batch: its labels do not fit its {count} images; download it again")
    return [
        Record(f"{batch.name}-{index:05}-{classes[label]}", f"{path}, image {index}", _BatchPicture(path, index))
        for index, label in enumerate(labels)
    ]
