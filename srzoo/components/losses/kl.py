"""How many nats the posterior knows more than the prior."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from srzoo.contracts import Gaussian, LatentLoss
from srzoo.layers import batch_mean, divergence


class KLLoss(LatentLoss):
    """Kullback-Leibler divergence KL(posterior || prior) in nats, averaged over latent units.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014. Options: the warm-up of Sønderby et al.,
    "Ladder Variational Autoencoders", NeurIPS 2016; the free bits of Kingma et al., "Improved Variational Inference
    with Inverse Autoregressive Flow", NeurIPS 2016, with the channels of a map for groups; the balance of Hafner et
    al., "Mastering Atari with Discrete World Models", ICLR 2021.

    The posterior's mean of `conditional` and `hierarchical` is a shift of the prior's, so that the plain divergence
    asks the shift alone to give way, and nothing of the prior's mean. A balance b leaves the shift 2 - 2b of that, and
    draws the prior's mean to the posterior by 4b - 2.
    """

    def __init__(
        self,
        scale: int,
        *,
        warm_up: Annotated[int, Field(ge=0, description="steps in which the weight climbs from 0 to 1")] = 0,
        free_bits: Annotated[
            float, Field(ge=0, description="nats per unit that are free, in the mean over a channel and the batch")
        ] = 0.0,
        balance: Annotated[
            float,
            Field(ge=0.5, le=1, description="the prior's share of the gradient; 0.5 is the plain divergence"),
        ] = 0.5,
    ) -> None:
        super().__init__()
        self.warm_up, self.free_bits, self.balance = warm_up, free_bits, balance

    def forward(self, prior: tuple[Gaussian, ...], posterior: tuple[Gaussian, ...], step: int) -> Tensor:
        """(p, q, steps done) to a scalar; no pairs cost nothing."""
        total, units = torch.zeros(()), 0
        for q, p in zip(posterior, prior, strict=True):
            nats = divergence(_scaled(q, 2 * (1 - self.balance)), _scaled(p, 2 * self.balance))
            total, units = total + self._charged(nats), units + nats.numel()
        return min(1.0, step / self.warm_up if self.warm_up else 1.0) * total / max(units, 1)

    def steady(self, step: int) -> bool:
        """See `LatentLoss.steady`; so once it is warm."""
        return step >= self.warm_up

    def _charged(self, nats: Tensor) -> Tensor:
        """Sum of what (N, C, H, W) nats cost."""
        if self.free_bits == 0:
            return nats.sum()
        # The mean stands inside a maximum, so that it must be that of the whole batch.
        return batch_mean(nats, dim=(0, 2, 3)).clamp(min=self.free_bits).mean() * nats.numel()


def _scaled(distribution: Gaussian, factor: float) -> Gaussian:
    """The same values, with the gradient scaled."""
    if factor == 1:
        return distribution
    return Gaussian(*(each.detach() + factor * (each - each.detach()) for each in distribution))
