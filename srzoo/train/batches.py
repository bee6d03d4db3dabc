"""What a process is handed at each step: its share of the crops, and noise to decode with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from srzoo.data.crops import Crops
from srzoo.data.prefetch import Prefetcher
from srzoo.model import SRModel
from srzoo.train.batch import Batch
from srzoo.train.objective import Objective
from srzoo.train.recipe import Recipe, Stage
from srzoo.train.state import Progress
from srzoo.train.step import takes_posterior

Share = tuple[int, int]
"""Rank of a process, and how many processes there are."""


def stage_batches(
    crops: Crops,
    model: SRModel,
    recipe: Recipe,
    stage: Stage,
    objective: Objective,
    progress: Progress,
    share: Share,
    workers: int,
) -> Prefetcher[Batch]:
    """The batches of what is left of a stage, made ahead.

    Crop and noise number i of a step are a pure function of (seed, step, i), whoever makes them and when.

    Args:
        crops: Where crops come from.
        model: Tells the shape of the noise.
        recipe: The run's recipe.
        stage: The stage at hand.
        objective: Tells how many samples of a crop are looked at.
        progress: Where the run stands.
        share: Which part of each batch this process takes.
        workers: Threads; 0 makes each batch when it is asked for.
    """
    first, before, crop = progress.step, progress.stage_step, recipe.crop(stage)
    indices = shared_indices(recipe.batch(stage), stage.accumulate, share)
    size = model.padded_size(crop, crop)
    shapes = [(spec.channels, *spec.size(*size)) for spec in model.noise_specs]

    def make(step: int) -> Batch:
        lr, hr = crops.batch(recipe.seed, step, indices, crop)
        posterior = takes_posterior(stage.posterior_share, step - first + before)
        temperature = 1.0 if posterior else stage.temperature
        draws = objective.branch(posterior=posterior).draws
        return Batch(lr, hr, batch_noise((recipe.seed, step), indices, shapes, temperature, draws))

    return Prefetcher(make, range(first, first + stage.steps - before), workers)


def shared_indices(batch: int, parts: int, share: Share) -> list[int]:
    """Numbers of a process's crops: of each part that goes through the network by itself, every process has its share.

    Args:
        batch: Crops in a step.
        parts: Parts of a batch.
        share: Rank, and number of processes.
    """
    rank, processes = share
    part = batch // parts
    own = part // processes
    return [at * part + rank * own + index for at in range(parts) for index in range(own)]


def batch_noise(
    key: tuple[int, int],
    indices: Sequence[int],
    shapes: Sequence[tuple[int, ...]],
    temperature: float,
    draws: int = 1,
) -> tuple[Tensor, ...]:
    """Normal noise (N * draws, ...) for the crops of a step, one map per shape; none where the temperature is 0.

    Args:
        key: Seed of the run, and number of the step.
        indices: Numbers of the crops.
        shapes: Of one crop's noise.
        temperature: Standard deviation.
        draws: Samples of each crop, which follow one another.
    """
    if not temperature:
        return ()
    sources = [np.random.default_rng((*key, index, 1)) for index in indices]
    noise = (
        np.stack([source.standard_normal(shape, np.float32) for source in sources for _ in range(draws)])
        for shape in shapes
    )
    return tuple(torch.from_numpy(each).mul_(temperature) for each in noise)
