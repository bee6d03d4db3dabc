"""Strided convolutions and residual blocks."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Encoder
from srzoo.layers import Downsampler, Width, residual_blocks
from srzoo.spec import Spec


class StridedEncoder(Encoder):
    """Each level halves the map by a strided convolution and refines it by residual blocks.

    Source: strided convolutions in place of pooling from Springenberg et al., "Striving for Simplicity", ICLRW 2015;
    blocks from Lim et al., CVPRW 2017.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: Annotated[
            tuple[Width, ...],
            Field(min_length=1, max_length=6, description="channels of each level; each halves the map"),
        ] = (48,),
        blocks: Annotated[int, Field(ge=0, le=64, description="residual blocks in each level")] = 1,
    ) -> None:
        super().__init__()
        self.multiple_of = 2 ** len(widths)
        self.levels = nn.ModuleList()
        specs = [spec]
        for width in widths:
            self.levels.append(
                nn.Sequential(Downsampler(specs[-1].channels, width, 2), *residual_blocks(width, blocks))
            )
            specs.append(Spec(width, specs[-1].stride * 2))
        self.out_specs = tuple(specs[1:])

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) to one map per level, (N, widths[i], H / 2^(i+1), W / 2^(i+1))."""
        maps = []
        for level in self.levels:
            features = level(features)
            maps.append(features)
        return tuple(maps)
