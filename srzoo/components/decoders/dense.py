"""Dense connections."""

from typing import Annotated

from pydantic import Field
from torch import nn

from srzoo.layers import (
    FineWidth,
    ResidualDenseBlock,
    RungWidths,
    ShuffleLadderDecoder,
)
from srzoo.spec import Spec


class DenseDecoder(ShuffleLadderDecoder):
    """Enlarges by sub-pixel convolutions, with residual dense blocks at LR resolution and below.

    Source: Zhang et al., "Residual Dense Network for Image Super-Resolution", CVPR 2018; dense connections from Huang
    et al., "Densely Connected Convolutional Networks", CVPR 2017.
    """

    def __init__(
        self,
        specs: tuple[Spec, ...],
        target: Spec,
        *,
        widths: RungWidths = (48, 48),
        blocks: Annotated[int, Field(ge=0, le=64, description="dense blocks at each stride from 1 up")] = 1,
        growth: Annotated[int, Field(ge=1, le=512, description="channels that each layer of a block adds")] = 24,
        layers: Annotated[int, Field(ge=1, le=16, description="layers in a block")] = 4,
        fine_width: FineWidth = 16,
    ) -> None:
        super().__init__(
            specs,
            target,
            widths=widths,
            fine_width=fine_width,
            block=lambda width, stride: nn.Sequential(
                *(ResidualDenseBlock(width, growth, layers) for _ in range(blocks))
            ),
        )
