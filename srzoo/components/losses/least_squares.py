"""Squared distance of logits from their labels."""

from torch import Tensor

from srzoo.contracts import AdversarialLoss
from srzoo.layers import mean_over_maps


class LeastSquaresLoss(AdversarialLoss):
    """Logits of real images are to be 1 and those of generated ones -1; the generator wants its own to be 1.

    It punishes what is on the right side of the boundary, too, where it lies far from real images.

    Source: Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, with labels 1 and -1 in place of 1
    and 0, since positive logits mean real here.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()

    def generator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """Half the squared distance of generated images' logits from 1."""
        return mean_over_maps(fake, _from_real)

    def discriminator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """Half the squared distances of both kinds of logits from their labels."""
        return mean_over_maps(real, _from_real) + mean_over_maps(fake, lambda logits: _from_real(-logits))


def _from_real(logits: Tensor) -> Tensor:
    return 0.5 * (logits - 1).square()
