"""What moves the weights, and how fast."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from srzoo.train.muon import Muon, matrix_weights
from srzoo.train.recipe import Stage


def generator_optimizer(model: nn.Module, stage: Stage) -> Optimizer:
    """The stage's optimiser for what it trains of the generator."""
    weights, rate = [parameter for parameter in model.parameters() if parameter.requires_grad], stage.learning_rate
    if stage.optimizer == "muon":
        matrices = set(map(id, matrix_weights(model)))
        groups = [
            {"params": [each for each in weights if id(each) in matrices], "orthogonal": True},
            {"params": [each for each in weights if id(each) not in matrices], "orthogonal": False},
        ]
        return _ready(Muon([group for group in groups if group["params"]], rate, betas=stage.betas))
    if stage.optimizer == "adamw":
        return _ready(AdamW(weights, rate, betas=stage.betas, weight_decay=stage.weight_decay, fused=True))
    return _ready(Adam(weights, rate, betas=stage.betas, fused=True))


def discriminator_optimizer(weights: Iterable[Tensor], stage: Stage) -> Optimizer:
    """Adam with the short memory that suits a moving target."""
    wanted = [each for each in weights if each.requires_grad]
    return _ready(Adam(wanted, stage.discriminator_learning_rate, betas=(0.5, 0.99), fused=True))


def _ready(optimizer: Optimizer) -> Optimizer:
    """The optimiser with what its steps need to be scaled by others, and recorded on a GPU: numbers lie there."""
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]  # unscaling in it is too late to clip
    optimizer._warned_capturable_if_run_uncaptured = True  # the first few are not recorded
    for group in optimizer.param_groups:
        device = group["params"][0].device
        if device.type == "cuda":
            group |= {"capturable": True, "lr": torch.tensor(group["lr"], device=device)}
    return optimizer


def rate_share(stage: Stage, step: int) -> float:
    """Share of the full learning rate at step ``step`` of the stage: a linear climb, then the stage's schedule."""
    if step < stage.warm_up:
        return (step + 1) / stage.warm_up
    if stage.schedule == "constant":
        return 1.0
    if stage.schedule == "multistep":
        return stage.gamma ** sum(step >= share * stage.steps for share in stage.milestones)
    done = (step - stage.warm_up) / max(1, stage.steps - stage.warm_up)
    return 0.5 * (1 + math.cos(math.pi * done))


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of all of an optimiser's groups, in the place that recorded steps read where it has one."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
