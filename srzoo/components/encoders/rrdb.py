"""The body of ESRGAN."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from srzoo.layers import BodyEncoder, Channels, ResidualDenseBlock
from srzoo.spec import Spec


class _RRDB(nn.Module):
    """x + 0.2 times a row of three residual dense blocks."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ResidualDenseBlock(channels, growth, layers=4, kernel=3) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.blocks(x)


class RRDBEncoder(BodyEncoder):
    """Residuals in residual dense blocks, without normalisation.

    Source: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018; 64 channels
    and 23 blocks make its generator.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Channels = 64,
        blocks: Annotated[int, Field(ge=1, le=64, description="residual-in-residual dense blocks")] = 4,
        growth: Annotated[int, Field(ge=1, le=512, description="channels that each layer of a dense block adds")] = 32,
    ) -> None:
        super().__init__(spec, width, (_RRDB(width, growth) for _ in range(blocks)))
