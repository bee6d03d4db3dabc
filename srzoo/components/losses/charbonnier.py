"""An absolute error that is smooth near zero."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from srzoo.contracts import ImageLoss


class CharbonnierLoss(ImageLoss):
    """Mean of sqrt(error^2 + eps^2): the absolute error of large differences, and smooth near zero, where it is eps.

    Source: Charbonnier et al., "Two Deterministic Half-Quadratic Regularization Algorithms for Computed Imaging", ICIP
    1994; for super-resolution Lai et al., "Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution",
    CVPR 2017, whose eps is the default.
    """

    def __init__(
        self,
        scale: int,
        *,
        eps: Annotated[float, Field(gt=0, le=1, description="difference below which it is smooth; white is 1")] = 1e-3,
    ) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """(SR, HR, LR) to a scalar; LR is not looked at."""
        return ((sr.float() - hr.float()).square() + self.eps**2).sqrt().mean()
