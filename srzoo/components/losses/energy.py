"""What samples are charged for being wrong, less what they get for differing."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from srzoo.contracts import SamplesLoss
from srzoo.errors import OptionError
from srzoo.features import NETWORKS, NetworkName, absolute_distance


class EnergyLoss(SamplesLoss):
    """Energy score of two samples, of their pixels or of the features that a network trained on ImageNet sees.

    The mean distance of the samples from HR, less half of ``spread`` times their distance from each other. Distances
    are mean absolute differences: of pixels, as `l1`, or of features as they are, averaged over maps, as `perceptual`
    with ``comparison = "absolute"``. It is one of these where ``spread`` is 0 or the samples are alike.

    At a spread of 1 no distribution of a single value costs less on average than the one that HR comes from: it is the
    continuous ranked probability score. Samples that differ less than they err are then drawn apart, wherever
    LR does not tell what is right, and what the latent's mean decodes to goes soft, since texture is left to the
    noise. Less of a spread keeps the mean sharp and the samples closer to it.

    Maps are those of `perceptual`: relu1 and fire2 to fire9 of SqueezeNet, conv1_1 to relu5_4 of VGG-19.

    Source: Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", Journal of the American
    Statistical Association, 2007 (the score); Pacchiardi et al., "Probabilistic Forecasting with Generative Networks
    via Scoring Rule Minimization", Journal of Machine Learning Research, 2024 (as what a network is trained by).
    """

    def __init__(
        self,
        scale: int,
        *,
        network: Annotated[
            Literal[NetworkName, "pixels"], Field(description="what looks at the images; nothing does at pixels")
        ] = "squeezenet",
        taps: Annotated[
            tuple[str, ...], Field(description="maps of the network that are compared; the usual ones if empty")
        ] = (),
        spread: Annotated[
            float, Field(ge=0, le=1, description="how much the samples' distance from each other counts")
        ] = 1.0,
    ) -> None:
        super().__init__()
        if network == "pixels":
            if taps:
                raise OptionError("pixels have no maps: leave taps empty, or name a network")
            self.features = None
        else:
            self.features = NETWORKS[network](taps, unit=False)
            self.min_size = self.features.min_size
        self.spread = spread

    def forward(self, first: Tensor, second: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(sample, sample, HR, LR) to a scalar; LR is not looked at."""
        with torch.no_grad():
            wanted = self._seen(hr)
        seen, other = self._seen(first), self._seen(second)
        apart = absolute_distance(seen, other)
        return (absolute_distance(seen, wanted) + absolute_distance(other, wanted) - self.spread * apart) / 2

    def _seen(self, image: Tensor) -> list[Tensor]:
        return [image.float()] if self.features is None else self.features(image)
