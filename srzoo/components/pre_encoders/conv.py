"""Plain convolutions with normalisation."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import PreEncoder
from srzoo.layers import Width, conv3x3
from srzoo.spec import Spec


class ConvPreEncoder(PreEncoder):
    """Layers of convolution, normalisation and PReLU at LR resolution.

    Source: the layer order of Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative
    Adversarial Network", CVPR 2017; PReLU from He et al., "Delving Deep into Rectifiers", ICCV 2015.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: Annotated[tuple[Width, ...], Field(min_length=1, description="channels of each layer")] = (32, 32, 64),
        norm: Annotated[
            Literal["batch", "instance", "none"], Field(description="normalisation behind each convolution")
        ] = "batch",
    ) -> None:
        super().__init__()
        normalisation = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": nn.Identity}[norm]
        channels = spec.channels
        self.layers = nn.Sequential()
        for width in widths:
            self.layers.extend([conv3x3(channels, width), normalisation(width), nn.PReLU(width)])
            channels = width
        self.out_spec = Spec(channels, spec.stride)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, widths[-1], H, W)."""
        return self.layers(image)
