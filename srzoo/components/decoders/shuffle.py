"""Sub-pixel convolutions."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from srzoo.contracts import Decoder
from srzoo.layers import Ladder, PixelShuffle, PixelShuffleUpsampler, Width, residual_blocks
from srzoo.spec import Spec


class ShuffleDecoder(Decoder):
    """Enlarges by sub-pixel convolutions, with residual blocks at LR resolution and below.

    Source: Shi et al., CVPR 2016 (sub-pixel convolution); Lim et al., CVPRW 2017 (blocks).
    """

    def __init__(
        self,
        specs: tuple[Spec, ...],
        target: Spec,
        *,
        widths: Annotated[
            tuple[Width, ...],
            Field(min_length=1, description="channels at stride 1, 2, 4, ...; the last serves the rest"),
        ] = (48, 48),
        blocks: Annotated[int, Field(ge=0, le=64, description="residual blocks at each stride from 1 up")] = 2,
        fine_width: Annotated[int, Field(ge=1, le=1024, description="channels above LR resolution")] = 16,
    ) -> None:
        super().__init__()
        self.ladder = Ladder(
            specs,
            target,
            widths=widths,
            fine_width=fine_width,
            upsampler=PixelShuffleUpsampler,
            last=PixelShuffle,
            block=lambda width, stride: residual_blocks(width, blocks),
        )

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Skips and latent to the image (N, 3, H, W) of ``target``."""
        return self.ladder(features)
