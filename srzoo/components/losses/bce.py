"""Binary cross-entropy, non-saturating."""

from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import AdversarialLoss
from srzoo.layers import mean_over_maps


class BCELoss(AdversarialLoss):
    """Binary cross-entropy of real against generated; the generator wants its own images called real.

    That is the non-saturating form: it leads where the discriminator is sure, unlike minus the discriminator's loss.

    Source: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()

    def generator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """-log D(fake), where D is the sigmoid of the logit."""
        return mean_over_maps(fake, lambda logits: F.softplus(-logits))

    def discriminator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """-log D(real) - log(1 - D(fake))."""
        return mean_over_maps(real, lambda logits: F.softplus(-logits)) + mean_over_maps(fake, F.softplus)
