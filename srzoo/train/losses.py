"""Loss terms by name. Each returns a scalar; weights belong to the recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.contracts import Gaussian, Output
from srzoo.features import SqueezeFeatures, feature_distance, squeezenet_weights
from srzoo.resize import resize_tensor

ImageLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(SR, HR, LR), each (N, 3, H, W) in [0, 1], to a scalar."""


IMAGE_LOSSES = ("l1", "consistency", "perceptual")
"""Names that `image_loss` knows."""


def l1(sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
    """Mean absolute error over all values, for images in [0, 1]."""
    return (sr - hr).abs().mean()


def consistency(sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
    """Mean absolute error between SR, made small by the antialiased bicubic kernel, and LR.

    Source: the LR-PSNR criterion of Lugmayr et al., "NTIRE 2021 Learning the Super-Resolution Space Challenge".
    """
    height, width = lr.shape[-2:]
    return (resize_tensor(sr, (height, width)) - lr).abs().mean()


class Perceptual(nn.Module):
    """Distance between the features that an ImageNet SqueezeNet sees in SR and in HR.

    Each position's feature vector is scaled to unit length; the squared distances are summed over channels and averaged
    over positions and over layers. It has LPIPS's form without its learned weights, and is not LPIPS.

    Source: Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016; Zhang et
    al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018 (the unit length); Iandola
    et al., "SqueezeNet", 2016.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = SqueezeFeatures()

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar; LR is not looked at."""
        with torch.no_grad():
            wanted = self.features(hr)
        return feature_distance(self.features(sr), wanted)


def image_loss(name: str) -> ImageLoss:
    """The image loss of that name: ``l1``, ``consistency`` or ``perceptual``.

    Raises:
        FetchError: The loss needs weights that are not at hand.
    """
    return Perceptual() if name == "perceptual" else {"l1": l1, "consistency": consistency}[name]


def check_files(uses: Callable[[str], bool]) -> None:
    """Make sure that the files of the losses in use are at hand.

    Args:
        uses: Tells by name whether a loss is in use.

    Raises:
        FetchError: One is not.
    """
    if uses("perceptual"):
        squeezenet_weights()


def kl_divergence(posterior: Sequence[Gaussian], prior: Sequence[Gaussian]) -> Tensor:
    """KL(posterior || prior) in nats, averaged over latent units; one unit is one value of a latent map."""
    total, units = torch.zeros(()), 0
    for q, p in zip(posterior, prior, strict=True):
        shift = (q.mean - p.mean).square() + q.log_variance.exp()
        nats = 0.5 * (p.log_variance - q.log_variance + shift * torch.exp(-p.log_variance) - 1)
        total, units = total + nats.sum(), units + nats.numel()
    return total / max(units, 1)


def latent_terms(output: Output) -> dict[str, Tensor]:
    """``kl`` where the latent is probabilistic, and whatever the latent adds itself."""
    terms = dict(output.losses)
    if output.posterior:
        terms["kl"] = kl_divergence(output.posterior, output.prior)
    return terms


def generator_hinge(fake: Sequence[Tensor]) -> Tensor:
    """The generator's side of the hinge loss: minus the mean logit of what it made.

    Source: Lim and Ye, "Geometric GAN", 2017.
    """
    return -torch.stack([logits.float().mean() for logits in fake]).mean()


def discriminator_hinge(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """The discriminator's side of the hinge loss: both kinds of image beyond a margin of 1."""
    terms = [F.relu(1 - r.float()).mean() + F.relu(1 + f.float()).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()
