"""Convolutions and max-pooling."""

from typing import Annotated

from pydantic import Field
from torch import nn

from srzoo.layers import HalvingEncoder, LevelWidths, conv3x3
from srzoo.spec import Spec


class PooledEncoder(HalvingEncoder):
    """Each level halves the map by max-pooling, then convolves it.

    Source: the contracting path of Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image
    Segmentation", MICCAI 2015.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: LevelWidths = (48,),
        convolutions: Annotated[int, Field(ge=1, le=16, description="convolutions in each level")] = 3,
    ) -> None:
        def level(before: int, after: int) -> nn.Module:
            layers = nn.Sequential(nn.MaxPool2d(2))
            for index in range(convolutions):
                layers.extend([conv3x3(after if index else before, after), nn.LeakyReLU(0.1, inplace=True)])
            return layers

        super().__init__(spec, widths, level)
