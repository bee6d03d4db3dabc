"""Is a real image more real than generated ones on average?"""

import torch
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import AdversarialLoss
from srzoo.layers import batch_mean


class RelativisticLoss(AdversarialLoss):
    """Cross-entropy of each logit relative to the mean logit of the other kind; both sides look at both kinds.

    Source: the relativistic average discriminator of Jolicoeur-Martineau, "The relativistic discriminator: a key
    element missing from standard GAN", ICLR 2019, as Wang et al., "ESRGAN", ECCV Workshops 2018, use it. Means are
    those of a map over the whole batch.
    """

    needs_real = True

    def __init__(self, scale: int) -> None:
        super().__init__()

    def generator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """The discriminator's loss with real and generated in each other's place."""
        return self.discriminator(fake, real)

    def discriminator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """-log D(real - mean of fake) - log(1 - D(fake - mean of real)), where D is the sigmoid."""
        return torch.stack([_cost(r.float(), f.float()) for r, f in zip(real, fake, strict=True)]).mean()


def _cost(real: Tensor, fake: Tensor) -> Tensor:
    """Of one map of logits."""
    return F.softplus(batch_mean(fake) - real).mean() + F.softplus(fake - batch_mean(real)).mean()
