"""Transposed convolutions."""

from fractions import Fraction
from typing import Annotated

from pydantic import Field
from torch import nn

from srzoo.layers import FineWidth, Ladder, LadderDecoder, RungBlocks, RungWidths, residual_blocks
from srzoo.spec import Spec


def _transposed(channels_in: int, channels_out: int, factor: int) -> nn.Module:
    kernel = 2 * factor if factor % 2 == 0 else 2 * factor - 1
    return nn.Sequential(
        nn.ConvTranspose2d(channels_in, channels_out, kernel, factor, (kernel - factor) // 2), nn.LeakyReLU(0.1)
    )


class DeconvDecoder(LadderDecoder):
    """Enlarges by transposed convolutions with residual blocks between them.

    Source: Zeiler et al., "Deconvolutional Networks", CVPR 2010; an even kernel of twice the factor against
    checkerboards as in Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016.
    """

    def __init__(
        self,
        specs: tuple[Spec, ...],
        target: Spec,
        *,
        widths: RungWidths = (48, 48),
        blocks: RungBlocks = 2,
        fine_width: FineWidth = 16,
        fine_blocks: Annotated[int, Field(ge=0, le=16, description="residual blocks at each step above LR")] = 0,
    ) -> None:
        def fine_block(width: int, stride: Fraction) -> nn.Module:
            return residual_blocks(width, fine_blocks)

        ladder = Ladder(
            specs,
            target,
            widths=widths,
            fine_width=fine_width,
            upsampler=_transposed,
            block=lambda width, stride: residual_blocks(width, blocks),
            fine_block=fine_block if fine_blocks else None,
        )
        super().__init__(ladder)
