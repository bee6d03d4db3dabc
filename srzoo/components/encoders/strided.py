"""Strided convolutions and residual blocks."""

from typing import Annotated

from pydantic import Field
from torch import nn

from srzoo.layers import Downsampler, HalvingEncoder, LevelWidths, residual_blocks
from srzoo.spec import Spec


class StridedEncoder(HalvingEncoder):
    """Each level halves the map by a strided convolution and refines it by residual blocks.

    Source: strided convolutions in place of pooling from Springenberg et al., "Striving for Simplicity", ICLRW 2015;
    blocks from Lim et al., CVPRW 2017.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: LevelWidths = (48,),
        blocks: Annotated[int, Field(ge=0, le=64, description="residual blocks in each level")] = 1,
    ) -> None:
        def level(before: int, after: int) -> nn.Module:
            return nn.Sequential(Downsampler(before, after, 2), *residual_blocks(after, blocks))

        super().__init__(spec, widths, level)
