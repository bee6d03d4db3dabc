"""The photos that come with srzoo's own dependencies."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from srzoo.dataset import About, Dataset, FilePicture, Record
from srzoo.errors import DataError

_FILES = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    "motorcycle_left.png": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
}
"""SHA-256 of each photo's file."""


class SampleDataset(Dataset):
    """Five photos that scikit-image ships, the same bytes everywhere."""

    about = About(
        title="Sample photos of scikit-image",
        origin="https://scikit-image.org",
        licence=(
            "astronaut: NASA, public domain; chelsea: CC0, Stefan van der Walt; coffee: CC0, Rachel Michetti; "
            "rocket: SpaceX, public domain; motorcycle_left: Middlebury 2014 stereo benchmark, no licence stated"
        ),
        citation="van der Walt et al., scikit-image: image processing in Python, PeerJ 2:e453, 2014",
        download="nothing; the photos come with scikit-image, which srzoo installs",
        layout=tuple(_FILES),
        images={"all": 5},
    )

    def __init__(self, root: Path) -> None:
        self._files = [root / name for name in _FILES]
        for file in self._files:
            if not file.is_file() or sha256(file.read_bytes()).hexdigest() != _FILES[file.name]:
                raise DataError(
                    f"sample photo {file} is missing or changed; run: pip install --force-reinstall scikit-image"
                )

    def records(self, scale: int | None = None) -> Sequence[Record]:
        return [Record(file.stem, str(file), FilePicture(str(file))) for file in self._files]

    @classmethod
    def roots(cls, below: Iterable[Path]) -> list[Path]:
        """Where scikit-image keeps them; found by path, since importing it would cost more than reading the photos."""
        spec = importlib.util.find_spec("skimage")
        if spec is None or spec.origin is None:
            raise DataError("the sample photos come with scikit-image; run: pip install scikit-image")
        return [Path(spec.origin).parent / "data"]
