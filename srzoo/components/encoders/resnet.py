"""A ResNet without its stem's early shrinking."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from srzoo.layers import HalvingEncoder, LevelWidths
from srzoo.spec import Spec


class _BasicBlock(nn.Module):
    """conv-norm-ReLU-conv-norm beside a projected shortcut, ReLU behind the sum."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, norm: type[nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=norm is nn.Identity),
            norm(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=norm is nn.Identity),
            norm(channels_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=norm is nn.Identity), norm(channels_out)
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.body(x) + self.shortcut(x))


class ResNetEncoder(HalvingEncoder):
    """Levels of basic residual blocks; the first block of each level halves the map.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, in the form without a pooling stem
    that the paper uses for small images. For backbones with pretrained weights see ``timm/resnet18`` and its kin.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: LevelWidths = (48,),
        blocks: Annotated[int, Field(ge=1, le=32, description="basic blocks in each level")] = 1,
        norm: Annotated[Literal["batch", "none"], Field(description="normalisation behind each convolution")] = "batch",
    ) -> None:
        normalisation: type[nn.Module] = nn.BatchNorm2d if norm == "batch" else nn.Identity

        def level(before: int, after: int) -> nn.Module:
            rest = (_BasicBlock(after, after, 1, normalisation) for _ in range(blocks - 1))
            return nn.Sequential(_BasicBlock(before, after, 2, normalisation), *rest)

        super().__init__(spec, widths, level)
