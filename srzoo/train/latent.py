"""What a latent says, for the ledger and for pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srzoo.contracts import Gaussian
from srzoo.layers import divergence

ACTIVE = 0.01
"""Nats per unit above which a channel of a latent counts as active."""


@torch.no_grad()
def channel_nats(posterior: Sequence[Gaussian], prior: Sequence[Gaussian]) -> list[Tensor]:
    """KL(posterior || prior) of each channel of each latent map: nats per unit, a mean over images and positions."""
    means = (divergence(q, p).mean(dim=(0, 2, 3)) for q, p in zip(posterior, prior, strict=True))
    return [channel for mean in means for channel in mean.unbind()]
