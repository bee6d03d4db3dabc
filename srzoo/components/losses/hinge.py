"""Both kinds of image beyond a margin."""

from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import AdversarialLoss
from srzoo.layers import mean_over_maps


class HingeLoss(AdversarialLoss):
    """Logits of real images are to be above 1 and those of generated ones below -1; the generator raises its own.

    Source: Lim and Ye, "Geometric GAN", 2017.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()

    def generator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """Minus the mean logit of generated images."""
        return -mean_over_maps(fake)

    def discriminator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """How far logits stay behind their margins, on average."""
        return mean_over_maps(real, lambda logits: F.relu(1 - logits)) + mean_over_maps(
            fake, lambda logits: F.relu(1 + logits)
        )
