"""What a latent says, for the ledger and for pictures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from srzoo.contracts import Gaussian

ACTIVE = 0.01
"""Nats per unit above which a channel of a latent counts as active."""


def channel_nats(posterior: Sequence[Gaussian], prior: Sequence[Gaussian]) -> list[Tensor]:
    """KL(posterior || prior) of each channel of each latent map: nats per unit, a mean over images and positions."""
    channels: list[Tensor] = []
    for q, p in zip(posterior, prior, strict=True):
        q_log, p_log = q.log_variance.detach().float(), p.log_variance.detach().float()
        shift = (q.mean.detach().float() - p.mean.detach().float()).square() + q_log.exp()
        nats = 0.5 * (p_log - q_log + shift * (-p_log).exp() - 1)
        channels += nats.mean(dim=(0, 2, 3)).unbind()
    return channels
