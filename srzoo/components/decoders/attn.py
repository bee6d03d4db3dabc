"""Windowed self-attention."""

from fractions import Fraction
from typing import Annotated

from pydantic import Field
from torch import nn

from srzoo.layers import (
    FineWidth,
    RungBlocks,
    RungWidths,
    ShuffleLadderDecoder,
    WindowAttention,
    WindowSide,
    lr_multiple,
    residual_blocks,
    rung_strides,
)
from srzoo.spec import Spec


class AttentionDecoder(ShuffleLadderDecoder):
    """The sub-pixel decoder with self-attention in windows on one rung of its ladder.

    Attention stands between two runs of residual blocks, which carry what it finds across the windows' borders; its
    cost grows with the image's area, not with the square of it.

    Source: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021 (windows
    and relative position bias, without the shift).
    """

    def __init__(
        self,
        specs: tuple[Spec, ...],
        target: Spec,
        *,
        widths: RungWidths = (48, 48),
        blocks: RungBlocks = 2,
        fine_width: FineWidth = 16,
        attention_stride: Annotated[
            int,
            Field(ge=1, le=64, description="stride, in LR pixels, of the rung with attention, or the next deeper one"),
        ] = 2,
        window: WindowSide = 8,
        heads: Annotated[int, Field(ge=1, le=64, description="attention heads; must divide that rung's channels")] = 4,
    ) -> None:
        strides = rung_strides(specs)
        at = min((s for s in strides if s >= attention_stride), default=strides[0])

        def block(width: int, stride: Fraction) -> nn.Module:
            if stride != at:
                return residual_blocks(width, blocks)
            before = blocks // 2
            return nn.Sequential(
                *residual_blocks(width, before),
                WindowAttention(width, window, heads),
                *residual_blocks(width, blocks - before),
            )

        super().__init__(
            specs,
            target,
            widths=widths,
            fine_width=fine_width,
            block=block,
        )
        self.multiple_of = lr_multiple([window * at], specs[-1].stride)
