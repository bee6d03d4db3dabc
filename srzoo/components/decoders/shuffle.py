"""Sub-pixel convolutions."""

from typing import Annotated

from pydantic import Field

from srzoo.layers import (
    FineWidth,
    RungBlocks,
    RungWidths,
    ShuffleLadderDecoder,
    residual_blocks,
)
from srzoo.spec import Spec


class ShuffleDecoder(ShuffleLadderDecoder):
    """Enlarges by sub-pixel convolutions, with residual blocks at LR resolution and below.

    Source: Shi et al., CVPR 2016 (sub-pixel convolution); Lim et al., CVPRW 2017 (blocks).
    """

    def __init__(
        self,
        specs: tuple[Spec, ...],
        target: Spec,
        *,
        widths: RungWidths = (48, 48),
        blocks: RungBlocks = 2,
        fine_width: FineWidth = 16,
        full_size: Annotated[
            bool, Field(description="whether the last convolution is at full size, as EDSR's is")
        ] = False,
    ) -> None:
        super().__init__(
            specs,
            target,
            widths=widths,
            fine_width=fine_width,
            full_size=full_size,
            block=lambda width, stride: residual_blocks(width, blocks),
        )
