"""Is a real image more real than a generated one?"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import AdversarialLoss
from srzoo.layers import batch_mean


class RelativisticLoss(AdversarialLoss):
    """Cross-entropy of each logit relative to those of the other kind; both sides look at both kinds.

    Usually a logit is held against the mean logit of the other kind, means being those of a map over the whole batch.
    ``paired`` holds it against the logit of the same place in the other image, which shows the same scene, so that what
    is hard to tell everywhere cancels out.

    Source: Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN", ICLR 2019:
    the average form as Wang et al., "ESRGAN", ECCV Workshops 2018, use it; the paired one as Huang et al., "The GAN is
    dead; long live the GAN!", NeurIPS 2024, who keep it stable by R1 and R2; here there is R1, beside losses on the
    image.
    """

    needs_real = True

    def __init__(
        self,
        scale: int,
        *,
        paired: Annotated[bool, Field(description="hold each logit against its pair's, not against the mean")] = False,
    ) -> None:
        super().__init__()
        self._paired = paired

    def generator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """The discriminator's loss with real and generated in each other's place."""
        return self.discriminator(fake, real)

    def discriminator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """-log D(real - other), and against means -log(1 - D(fake - other)) too, where D is the sigmoid."""
        cost = _of_pairs if self._paired else _of_means
        return torch.stack([cost(r.float(), f.float()) for r, f in zip(real, fake, strict=True)]).mean()

    def accuracy(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Share of logits on the right side of what they are held against; of pairs it is the same for both."""
        real_rivals, fake_rivals = (fake, real) if self._paired else (_means(fake), _means(real))
        return super().accuracy(_less(real, real_rivals), _less(fake, fake_rivals))


def _means(maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(batch_mean(each.float()) for each in maps)


def _less(maps: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(a - b for a, b in zip(maps, others, strict=True))


def _of_means(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(batch_mean(fake) - real).mean() + F.softplus(fake - batch_mean(real)).mean()


def _of_pairs(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(fake - real).mean()
