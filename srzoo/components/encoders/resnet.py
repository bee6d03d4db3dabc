"""A ResNet without its stem's early shrinking."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Encoder
from srzoo.layers import Width
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


class ResNetEncoder(Encoder):
    """Stages of basic residual blocks; the first block of each stage halves the map.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, in the form without a pooling stem
    that the paper uses for small images. For backbones with pretrained weights see ``timm/resnet18`` and its kin.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: Annotated[
            tuple[Width, ...],
            Field(min_length=1, max_length=6, description="channels of each stage; each halves the map"),
        ] = (48,),
        blocks: Annotated[int, Field(ge=1, le=32, description="basic blocks in each stage")] = 1,
        norm: Annotated[Literal["batch", "none"], Field(description="normalisation behind each convolution")] = "batch",
    ) -> None:
        super().__init__()
        normalisation: type[nn.Module] = nn.BatchNorm2d if norm == "batch" else nn.Identity
        self.multiple_of = 2 ** len(widths)
        self.stages = nn.ModuleList()
        specs = [spec]
        for width in widths:
            stage = nn.Sequential(_BasicBlock(specs[-1].channels, width, 2, normalisation))
            stage.extend(_BasicBlock(width, width, 1, normalisation) for _ in range(blocks - 1))
            self.stages.append(stage)
            specs.append(Spec(width, specs[-1].stride * 2))
        self.out_specs = tuple(specs[1:])

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) to one map per stage, (N, widths[i], H / 2^(i+1), W / 2^(i+1))."""
        maps = []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return tuple(maps)
