"""Crops that depend on nothing but where they are drawn, from data sets good and bad."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import trees
from parts import make
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from srzoo.contracts import Degradation
from srzoo.data.cache import PixelCache
from srzoo.data.chain import Chain
from srzoo.data.crops import Crops
from srzoo.data.photos import Photos
from srzoo.data.prefetch import Prefetcher
from srzoo.data.reference import open_dataset
from srzoo.data.resident import ResidentCrops, fits
from srzoo.dataset import About, Dataset, Picture, Record, cut
from srzoo.degrade import build_chain
from srzoo.errors import DataError
from srzoo.images import Image as Decoded

AMPLE = 1 << 30
RANDOM = [{"name": "blur", "sigma": [0.5, 2.0], "size": 7}, "bicubic", "noise", "jpeg"]
CHAINS: dict[str, Sequence[Any]] = {
    "bicubic": ["bicubic"],
    "blocks": ["bicubic", {"name": "jpeg", "quality": [40, 40]}],
    "random": RANDOM,
    "real-esrgan": ["real-esrgan"],
}


def crops_of(
    data: str | Dataset,
    base: Path,
    chain: str | None = "bicubic",
    *,
    scale: int = 4,
    memory: int = AMPLE,
    side: int = 8,
    permute: bool = False,
) -> Crops:
    built = None if chain is None else build_chain(scale, CHAINS[chain])
    dataset = open_dataset(data, base) if isinstance(data, str) else data
    return Crops(Photos([dataset], str(data), built, scale, side * scale, memory), built, scale, permute=permute)


def batches(crops: Crops, steps: Sequence[int] = range(4), size: int = 3, side: int = 8) -> list[tuple[Tensor, Tensor]]:
    return [crops.batch(0, step, range(size), side) for step in steps]


def same(one: Sequence[tuple[Tensor, Tensor]], other: Sequence[tuple[Tensor, Tensor]]) -> bool:
    return all(
        torch.equal(a, b) for pair, twin in zip(one, other, strict=True) for a, b in zip(pair, twin, strict=True)
    )


@pytest.mark.parametrize("chain", CHAINS)
def test_crops_depend_on_seed_step_and_number_alone(base: Path, chain: str) -> None:
    one, other = (crops_of("photos", base, chain) for _ in range(2))
    other.batch(0, 3, range(2), 8)
    lr, hr = one.batch(0, 7, range(6), 8)
    again = other.batch(0, 7, range(4), 8)
    assert lr.shape == (6, 3, 8, 8) and hr.shape == (6, 3, 32, 32)
    assert torch.equal(lr[:4], again[0]) and torch.equal(hr[:4], again[1])
    assert not torch.equal(lr, one.batch(1, 7, range(6), 8)[0])
    assert not torch.equal(lr, one.batch(0, 8, range(6), 8)[0])


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("permute", [False, True])
def test_neither_threads_nor_memory_change_a_crop(base: Path, chain: str, permute: bool) -> None:
    wanted = batches(crops_of("photos", base, chain, permute=permute))
    scarce = crops_of("photos", base, chain, memory=50_000, permute=permute)
    assert not scarce.photos.in_memory
    with Prefetcher(lambda step: scarce.batch(0, step, range(3), 8), range(4), workers=3) as found:
        assert same(list(found), wanted)


class Warmer(Degradation):
    """A colour cast, the same for every image."""

    random = False
    margin = 0

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return image * torch.tensor([1.0, 0.9, 0.7]).view(1, 3, 1, 1)


def test_colours_are_exchanged_behind_a_cast_wherever_lr_is_made(base: Path) -> None:
    chain = Chain(4, [Warmer(), make("degradation", "bicubic", 4)], ["warmer", "bicubic"])
    found = []
    for memory in (AMPLE, 50_000):
        photos = Photos([open_dataset("photos", base)], "photos", chain, 4, 32, memory)
        found.append(batches(Crops(photos, chain, 4, permute=True)))
    assert same(*found)


@pytest.mark.parametrize("permute", [False, True])
@pytest.mark.parametrize("chain", ["bicubic", "blocks"])
def test_a_device_cuts_the_same_crops_from_photos_in_its_memory(base: Path, chain: str, permute: bool) -> None:
    (base / "photos" / "3.png").write_bytes(b"broken")
    wanted = crops_of("photos", base, chain, permute=permute)
    resident = ResidentCrops(wanted.photos, build_chain(4, CHAINS[chain]), 4, torch.device("cpu"), permute=permute)
    assert same(batches(resident, size=16), batches(wanted, size=16))


def test_a_gpu_keeps_photos_only_where_there_is_room_and_no_chance(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, cpu, room = torch.device("cuda"), torch.device("cpu"), [1 << 30]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (room[0], 1 << 34))
    chains = {name: build_chain(4, CHAINS[name]) for name in ("bicubic", "random")}
    photos = crops_of("photos", base).photos
    assert fits(photos, chains["bicubic"], 4, gpu) and fits(photos, None, 4, gpu)
    assert not fits(photos, chains["bicubic"], 4, cpu) and not fits(photos, chains["random"], 4, gpu)
    assert not fits(crops_of("photos", base, memory=0).photos, chains["bicubic"], 4, gpu)
    room[0] = 100_000
    assert not fits(photos, chains["bicubic"], 4, gpu)


def test_permuted_channels_are_those_of_the_same_crop(base: Path) -> None:
    plain, permuted = (crops_of("photos", base, permute=permute).batch(0, 5, range(24), 8) for permute in (False, True))
    orders = set()
    for lr, hr, other_lr, other_hr in zip(*plain, *permuted, strict=True):
        order = next(each for each in permutations(range(3)) if torch.equal(hr[list(each)], other_hr))
        assert torch.equal(lr[list(order)], other_lr)
        orders.add(order)
    assert len(orders) == 6


def test_channels_are_permuted_before_jpeg_tells_them_apart(base: Path) -> None:
    """JPEG keeps brightness best, of which green is most: it is LR's own green that has the least error."""
    lr, hr = crops_of("photos", base, "random", side=16, permute=True).batch(0, 0, range(64), 16)
    errors = (torch.nn.functional.avg_pool2d(hr, 4) - lr).square().mean(dim=(0, 2, 3))
    assert int(errors.argmin()) == 1


def test_crops_are_aligned_through_flips_and_turns(base: Path) -> None:
    for chain in ("bicubic", "random"):
        lr, hr = crops_of("photos", base, chain, side=16).batch(0, 0, range(32), 16)
        means = torch.nn.functional.avg_pool2d(hr, 4)
        turned = torch.flip(lr, dims=(-1,))
        assert float((means - lr).abs().mean()) < 0.5 * float((means - turned).abs().mean())


def test_pixels_of_lr_are_those_of_the_whole_photo_s(base: Path) -> None:
    (base / "one").mkdir()
    pixels = next(trees.crops(1, 96, 128))
    Image.fromarray(pixels).save(base / "one" / "a.png")
    whole = build_chain(4).apply(pixels)
    lr, _ = crops_of("one", base, memory=0).batch(0, 0, range(8), 8)
    places = {
        np.ascontiguousarray(np.rot90(whole[y : y + 8, x : x + 8], turns)[:, :: 1 - 2 * flip]).tobytes()
        for y in range(17) for x in range(25) for turns in range(4) for flip in (0, 1)
    }  # fmt: skip
    for crop in lr:
        assert (crop * 255).round().byte().permute(1, 2, 0).contiguous().numpy().tobytes() in places


def test_a_pack_feeds_what_its_folder_feeds(base: Path) -> None:
    files = sorted((base / "photos").iterdir())
    tensors = {f"hr/{file.stem}": torch.from_numpy(np.array(Image.open(file))) for file in files}
    save_file(tensors, base / "pack.safetensors", {"srzoo": json.dumps({"format": "srzoo-pack", "version": 1})})
    for chain in CHAINS:
        wanted = batches(crops_of("photos", base, chain))
        for memory in (AMPLE, 0):
            assert same(batches(crops_of("pack.safetensors", base, chain, memory=memory)), wanted), (chain, memory)


class _Window(Picture):
    """An image that nobody may decode whole."""

    windowed: ClassVar[bool] = True

    def __init__(self, pixels: np.ndarray[Any, Any]) -> None:
        self._pixels = pixels

    def __call__(self) -> Decoded:
        raise AssertionError("decoded whole")

    @property
    def size(self) -> tuple[int, int]:
        return self._pixels.shape[0], self._pixels.shape[1]

    def window(self, top: int, left: int, height: int, width: int) -> Decoded:
        assert max(height, width) <= 160
        return cut(Decoded(self._pixels), top, left, height, width)


class _Memory(Dataset):
    """Records from a list."""

    about = About("", "", "", "", "", (), {})

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def records(self, scale: int | None = None) -> Sequence[Record]:
        return self._records


def test_large_photos_are_read_by_windows_where_that_can_be_done() -> None:
    pixels = next(trees.crops(1, 300, 400))
    low = build_chain(4).apply(pixels)
    data = _Memory([Record("a", "a", _Window(pixels), _Window(low))])
    for chain in ("bicubic", "random", "real-esrgan", None):
        lr, hr = crops_of(data, Path(), chain, memory=0).batch(0, 0, range(3), 8)
        assert lr.shape[-1] == 8 and hr.shape[-1] == 32


def test_given_lr_is_what_the_data_set_holds(tmp_path: Path) -> None:
    root = trees.div2k(tmp_path / "DIV2K")
    for file in (root / "DIV2K_train_LR_bicubic" / "X4").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
    for memory in (AMPLE, 0):
        lr, hr = crops_of("div2k", tmp_path, None, memory=memory).batch(0, 0, range(4), 8)
        assert float((1 - lr - torch.nn.functional.avg_pool2d(hr, 4)).abs().mean()) < 0.04
    made, _ = crops_of("div2k", tmp_path, "bicubic").batch(0, 0, range(4), 8)
    assert float((1 - lr - made).abs().mean()) < 0.01
    with pytest.raises(DataError, match=r"no LR|without LR"):
        crops_of(str(root / "DIV2K_train_HR"), tmp_path, None)


def test_the_cache_stays_within_its_bounds_and_forgets_the_oldest() -> None:
    cache = PixelCache(1000)
    made = []

    def get(key: int, size: int = 400) -> int:
        def make() -> np.ndarray[Any, np.dtype[np.uint8]]:
            made.append(key)
            return np.full(size, key, np.uint8)

        assert cache.size <= 1000
        return int(cache.get(key, make)[0])

    assert [get(1), get(2), get(1), get(3)] == [1, 2, 1, 3] and made == [1, 2, 3]
    assert get(1) == 1 and made == [1, 2, 3]
    assert get(2) == 2 and made == [1, 2, 3, 2]
    assert get(9, 2000) == 9 and get(9, 2000) == 9 and made[-2:] == [9, 9]


def test_the_fingerprint_tells_pixels_from_an_index(base: Path) -> None:
    whole = crops_of("photos", base).photos.fingerprint
    listed = crops_of("photos", base, memory=0).photos.fingerprint
    assert len(whole) == 12 and listed.startswith("index-") and len(listed) == 18
    assert crops_of("photos", base, "random").photos.fingerprint == whole
    pixels = np.array(Image.open(base / "photos" / "0.png"))
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(base / "photos" / "0.png")
    assert crops_of("photos", base).photos.fingerprint != whole
    assert crops_of("photos", base, memory=0).photos.fingerprint == listed


# Bad data


def spoil(folder: Path) -> tuple[set[str], set[str]]:
    """Write one file of every bad or odd kind.

    Returns:
        Names of those that cannot be used, and of those that can.
    """
    pixels = next(trees.crops(1, 64, 80, seed=5))
    picture = Image.fromarray(pixels)
    whole = folder / "whole.png"
    picture.save(whole)
    (folder / "truncated.png").write_bytes(whole.read_bytes()[:3000])
    whole.unlink()
    (folder / "zero.png").write_bytes(b"")
    (folder / "text.png").write_text("no image")
    Image.fromarray(pixels[:1, :1]).save(folder / "point.png")
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    picture.convert("LA").save(folder / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "turned.jpg", exif=exif)
    return {"truncated", "zero", "text", "point"}, {"cmyk", "deep", "alpha", "turned"}


def test_bad_files_are_replaced_alike_however_they_are_found(base: Path) -> None:
    spoil(base / "photos")
    early, late = crops_of("photos", base), crops_of("photos", base, memory=0)
    assert len(early.photos.unused) == 4 and len(late.photos.unused) == 3
    assert same(batches(early, range(12)), batches(late, range(12)))
    assert sorted(early.photos.unused) == sorted(late.photos.unused)


@pytest.mark.parametrize("memory", [AMPLE, 0])
def test_bad_files_are_left_out_and_odd_ones_used(base: Path, memory: int) -> None:
    bad, odd = spoil(base / "photos")
    crops = crops_of("photos", base, memory=memory)
    wanted = batches(crops, range(12))
    assert len(crops.photos.unused) == len(bad)
    assert all(any(f"{name}." in line for line in crops.photos.unused) for name in bad)
    other = crops_of("photos", base, memory=memory)
    assert same(list(reversed(batches(other, range(11, -1, -1)))), wanted), (
        "replacements depend on what was seen before"
    )
    for name in odd:
        (base / name).mkdir()
        file = next((base / "photos").glob(f"{name}.*"))
        file.rename(base / name / file.name)
        lr, hr = crops_of(name, base, memory=memory).batch(0, 0, range(2), 8)
        assert float((torch.nn.functional.avg_pool2d(hr, 4) - lr).abs().mean()) < 0.06
    assert crops_of("turned", base).photos.sizes.tolist() == [[80, 64]]


def test_a_photo_that_vanishes_or_shrinks_while_training_is_replaced(base: Path) -> None:
    crops = crops_of("photos", base, memory=0)
    batches(crops)
    (base / "photos" / "3.png").unlink()
    Image.fromarray(next(trees.crops(1, 40, 40))).save(base / "photos" / "1.png")
    batches(crops, range(10))
    assert [any(name in line for line in crops.photos.unused) for name in ("1.png", "3.png")] == [True, True]
    for file in (base / "photos").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match="none of 5 photos can be read"):
        batches(crops, range(3))


def test_a_photo_that_is_not_large_enough_is_named(base: Path) -> None:
    with pytest.raises(DataError, match=r"no photo in photos holds a crop of 400 pixels .*smaller than a crop"):
        crops_of("photos", base, side=100)
