"""The residual body of EDSR."""

from typing import Annotated

from pydantic import Field

from srzoo.layers import BodyEncoder, Channels, residual_blocks
from srzoo.spec import Spec


class EDSREncoder(BodyEncoder):
    """Residual blocks without normalisation, all at one size.

    Source: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017; 64 channels and
    16 blocks make its baseline.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Channels = 64,
        blocks: Annotated[int, Field(ge=1, le=128, description="residual blocks")] = 16,
    ) -> None:
        super().__init__(spec, width, residual_blocks(width, blocks))
