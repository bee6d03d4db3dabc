"""Convolutions and max-pooling."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Encoder
from srzoo.layers import Width, conv3x3
from srzoo.spec import Spec


class PooledEncoder(Encoder):
    """Each level halves the map by max-pooling, then convolves it.

    Source: the contracting path of Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image
    Segmentation", MICCAI 2015.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: Annotated[
            tuple[Width, ...],
            Field(min_length=1, max_length=6, description="channels of each level; each halves the map"),
        ] = (48,),
        convolutions: Annotated[int, Field(ge=1, le=16, description="convolutions in each level")] = 3,
    ) -> None:
        super().__init__()
        self.multiple_of = 2 ** len(widths)
        self.levels = nn.ModuleList()
        specs = [spec]
        for width in widths:
            level = nn.Sequential(nn.MaxPool2d(2))
            for index in range(convolutions):
                level.extend([conv3x3(width if index else specs[-1].channels, width), nn.LeakyReLU(0.1, inplace=True)])
            self.levels.append(level)
            specs.append(Spec(width, specs[-1].stride * 2))
        self.out_specs = tuple(specs[1:])

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) to one map per level, (N, widths[i], H / 2^(i+1), W / 2^(i+1))."""
        maps = []
        for level in self.levels:
            features = level(features)
            maps.append(features)
        return tuple(maps)
