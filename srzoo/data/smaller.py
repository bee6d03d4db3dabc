"""Smaller copies of photos, to train on beside the photos themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image

from srzoo.dataset import Dataset, Picture, Record
from srzoo.images import Image, rgb
from srzoo.ondemand import OnDemand


class SmallerPhotos(Dataset):
    """A data set whose photos are shrunk: the same motifs, with more detail to each pixel.

    Pillow's antialiased bicubic does it: nothing is measured on these, and for large photos MATLAB's takes seconds.

    Source: Kim et al., "Accurate Image Super-Resolution Using Very Deep Convolutional Networks", CVPR 2016, and Lai et
    al., "Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution", CVPR 2017, which both train on copies
    of several sizes.

    Args:
        dataset: The photos.
        share: Length of a side, as a share of what it was.
    """

    def __init__(self, dataset: Dataset, share: float) -> None:
        self._dataset = dataset
        self._share = share

    def records(self, scale: int | None = None) -> Sequence[Record]:
        """See `Dataset.records`; without LR."""
        return _Records(self._dataset.records(), self._share)


class _Records(OnDemand[Record]):
    """Records made when they are asked for."""

    def __init__(self, records: Sequence[Record], share: float) -> None:
        self._records = records
        self._share = share

    def __len__(self) -> int:
        return len(self._records)

    def make(self, index: int) -> Record:
        """See `OnDemand.make`."""
        record = self._records[index]
        copy = SmallerPicture(record.hr, self._share)
        return replace(record, name=f"{record.name}@{self._share:g}", hr=copy, lr=None)


@dataclass(frozen=True, slots=True)
class SmallerPicture(Picture):
    """A copy of an image, shrunk."""

    whole: Picture
    share: float

    def __call__(self) -> Image:
        pixels = rgb(self.whole().pixels)
        height, width = self._shrunk(pixels.shape)
        return Image(np.asarray(PIL.Image.fromarray(pixels).resize((width, height), PIL.Image.Resampling.BICUBIC)))

    @property
    def size(self) -> tuple[int, int]:
        return self._shrunk(self.whole.size)

    def _shrunk(self, size: Sequence[int]) -> tuple[int, int]:
        height, width = (max(1, round(length * self.share)) for length in size[:2])
        return height, width
