"""What a recipe says of its data, opened: crops to train on, and image pairs to choose models by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from srzoo.data.chain import Chain, Pixels
from srzoo.data.crops import Crops
from srzoo.data.pairs import ImagePair, StoredPairs
from srzoo.data.photos import Photos, Tell
from srzoo.data.reference import open_dataset
from srzoo.data.resident import ResidentCrops, fits
from srzoo.data.smaller import SmallerPhotos
from srzoo.dataset import Dataset
from srzoo.degrade import LITERATURE, build_chain
from srzoo.errors import DataError, SrzooError
from srzoo.ondemand import OnDemand
from srzoo.scoring.evaluation import check_pair
from srzoo.train.recipe import Recipe


@dataclass(frozen=True)
class Sets:
    """The data sets of a recipe."""

    train: tuple[Dataset, ...]
    validation: Dataset


def open_sets(recipe: Recipe, base: Path) -> Sets:
    """Find the data sets that a recipe names.

    Args:
        recipe: Names them.
        base: Folder that paths start from.

    Raises:
        SrzooError: One cannot be opened.
        DataError: Several cannot; all are named.
    """
    opened: list[Dataset] = []
    failed: dict[str, SrzooError] = {}
    for text in (*recipe.data.train, recipe.data.validation):
        try:
            opened.append(open_dataset(text, base))
        except SrzooError as error:
            failed[text] = error
    if failed:
        first, *others = failed
        if not others:
            raise failed[first]
        raise DataError(
            f"{failed[first]}; nor can be opened: {', '.join(others)}. Photos of your own are named by "
            """--set data.train='["photos"]' --set data.validation=FOLDER"""
        )
    return Sets(tuple(opened[:-1]), opened[-1])


def open_crops(
    recipe: Recipe, sets: Sets, scale: int, memory: int, tell: Tell, device: torch.device | str = "cpu"
) -> Crops:
    """The crops that a recipe trains on.

    Args:
        recipe: Says what makes LR.
        sets: Where the photos are.
        scale: Enlargement factor.
        memory: Most bytes of pixels to keep.
        tell: Told of progress while photos are looked at and decoded.
        device: Where they are wanted; a GPU cuts them itself where it can.

    Raises:
        DataError: No photo can be used.
        ConfigError: Not exactly one step of the degradation shrinks.
    """
    data = recipe.data
    chain = None if data.lr == "given" else build_chain(scale, data.degradation)
    smallest = scale * max(map(recipe.crop, recipe.stages))
    datasets = (*sets.train, *(SmallerPhotos(each, share) for share in data.sizes for each in sets.train))
    photos = Photos(datasets, ", ".join(data.train), chain, scale, smallest, memory, tell)
    place, permute = torch.device(device), data.permute_channels
    if fits(photos, chain, scale, place):
        return ResidentCrops(photos, chain, scale, place, permute=permute)
    return Crops(photos, chain, scale, permute=permute)


def validation_pairs(recipe: Recipe, sets: Sets, scale: int, tell: Tell) -> Sequence[ImagePair]:
    """The pairs that a recipe's models are chosen by, each decoded once to see that it can be.

    LR is the data set's own, or MATLAB's bicubic; where the recipe degrades otherwise, it is made as for training.

    Raises:
        SrzooError: An image cannot be scored on, or comes without the LR that the recipe trains on.
    """
    dataset = sets.validation
    if recipe.data.lr == "given":
        for record in dataset.records(scale):
            if record.lr is None:
                raise DataError(f"{record.source} comes without LR for x{scale} to validate on; set data.lr to made")
    pairs: Sequence[ImagePair] = StoredPairs(dataset, scale)
    if recipe.data.lr == "made" and recipe.data.degradation != LITERATURE:
        pairs = DegradedPairs(pairs, build_chain(scale, recipe.data.degradation), recipe.seed)
    for index, pair in enumerate(pairs):
        tell(index, len(pairs), f"looking at {pair.name}")
        check_pair(pair, scale)
    return pairs


class DegradedPairs(OnDemand[ImagePair]):
    """Pairs with another LR, which is made once: that of image i by the seed (``seed``, i).

    Args:
        pairs: Where HR comes from.
        chain: What makes LR.
        seed: Seed of the run.
    """

    def __init__(self, pairs: Sequence[ImagePair], chain: Chain, seed: int) -> None:
        self._pairs = pairs
        self._chain = chain
        self._seed = seed
        self._lr: dict[int, Pixels] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def make(self, index: int) -> ImagePair:
        """See `OnDemand.make`."""
        pair = self._pairs[index]
        if index not in self._lr:
            self._lr[index] = self._chain.apply(pair.hr, (self._seed, index))
        return ImagePair(pair.name, self._lr[index], pair.hr)
