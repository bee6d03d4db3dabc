"""Transposed convolutions."""

from fractions import Fraction
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Decoder
from srzoo.layers import Ladder, Width, residual_blocks
from srzoo.spec import Spec


def _transposed(channels_in: int, channels_out: int, factor: int) -> nn.Module:
    kernel = 2 * factor if factor % 2 == 0 else 2 * factor - 1
    return nn.Sequential(
        nn.ConvTranspose2d(channels_in, channels_out, kernel, factor, (kernel - factor) // 2), nn.LeakyReLU(0.1)
    )


class DeconvDecoder(Decoder):
    """Enlarges by transposed convolutions with residual blocks between them.

    Source: Zeiler et al., "Deconvolutional Networks", CVPR 2010; an even kernel of twice the factor against
    checkerboards as in Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016.
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
        fine_blocks: Annotated[int, Field(ge=0, le=16, description="residual blocks at each step above LR")] = 0,
    ) -> None:
        super().__init__()

        def fine_block(width: int, stride: Fraction) -> nn.Module:
            return residual_blocks(width, fine_blocks)

        self.ladder = Ladder(
            specs,
            target,
            widths=widths,
            fine_width=fine_width,
            upsampler=_transposed,
            block=lambda width, stride: residual_blocks(width, blocks),
            fine_block=fine_block if fine_blocks else None,
        )

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Skips and latent to the image (N, 3, H, W) of ``target``."""
        return self.ladder(features)
