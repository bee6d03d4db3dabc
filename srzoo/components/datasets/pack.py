"""Images that ``srzoo data prepare --pack`` put into one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from srzoo.dataset import About, Dataset, Record
from srzoo.packfile import Pack


class PackDataset(Dataset):
    """HR and LR images in one safetensors file, as `srzoo data prepare --pack` makes it.

    A path that ends in .safetensors says as much. Images are not compressed, and a crop is read without the rest, so
    that training on many large photos need not wait for decoding.
    """

    about = About(
        title="Pack of images",
        origin="made by: srzoo data prepare DATA --pack",
        licence="that of the images in it",
        citation="",
        download="nothing; give the file itself, or root=FILE",
        layout=(
            "one *.safetensors file with uint8 tensors (H, W, 3) or (H, W)",
            "hr/NAME, and lr/x4/NAME for LR at x4",
            'JSON under "srzoo" in its metadata: format "srzoo-pack", version, scale, what it was made from',
        ),
        images={},
    )

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pictures = Pack(root).pictures

    def records(self, scale: int | None = None) -> Sequence[Record]:
        names = [name.removeprefix("hr/") for name in self._pictures if name.startswith("hr/")]
        return [
            Record(
                name, f"{self._root}, {name}", self._pictures[f"hr/{name}"], self._pictures.get(f"lr/x{scale}/{name}")
            )
            for name in names
        ]
