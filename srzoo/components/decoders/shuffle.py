"""Sub-pixel convolutions."""

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
    ) -> None:
        super().__init__(
            specs,
            target,
            widths=widths,
            fine_width=fine_width,
            block=lambda width, stride: residual_blocks(width, blocks),
        )
