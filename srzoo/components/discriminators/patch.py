"""One verdict for each patch."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from srzoo.contracts import Discriminator
from srzoo.layers import JudgeWidth, patch_judge
from srzoo.spec import Spec


class PatchDiscriminator(Discriminator):
    """Strided convolutions to a map of logits, one for each overlapping patch.

    Source: the PatchGAN of Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
    with spectral normalisation (Miyato et al., ICLR 2018) in place of batch normalisation.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: JudgeWidth = 32,
        levels: Annotated[int, Field(ge=1, le=5, description="strided levels; 3 judges patches of 70 pixels")] = 3,
    ) -> None:
        super().__init__()
        self.min_size = 2 ** (levels + 2)
        self.layers = patch_judge(spec.channels, width, levels)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) to logits (N, 1, about H / 2^levels, about W / 2^levels)."""
        return (self.layers(image * 2 - 1),)
