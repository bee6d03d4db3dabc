"""Windowed self-attention."""

from fractions import Fraction
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.errors import AssemblyError
from srzoo.layers import (
    FineWidth,
    Ladder,
    LadderDecoder,
    PixelShuffle,
    PixelShuffleUpsampler,
    RungBlocks,
    RungWidths,
    lr_multiple,
    residual_blocks,
    rung_strides,
    scale_weights,
)
from srzoo.spec import Spec


class _WindowAttention(nn.Module):
    """x + attention(x), then x + perceptron(x), within windows that do not overlap."""

    offsets: Tensor

    def __init__(self, channels: int, window: int, heads: int) -> None:
        super().__init__()
        self._window = window
        self._heads = heads
        self.norm_attention = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)
        self.norm_perceptron = nn.LayerNorm(channels)
        self.perceptron = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))
        self.position_bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        axis = torch.arange(window)
        rows, columns = (grid.flatten() for grid in torch.meshgrid(axis, axis, indexing="ij"))
        offsets = (rows[:, None] - rows + window - 1) * (2 * window - 1) + (columns[:, None] - columns + window - 1)
        self.register_buffer("offsets", offsets, persistent=False)
        scale_weights(self.project, 0.1)
        scale_weights(self.perceptron[-1], 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) with H and W multiples of the window to the same shape."""
        n, c, h, w = x.shape
        k = self._window
        tokens = x.reshape(n, c, h // k, k, w // k, k).permute(0, 2, 4, 3, 5, 1).reshape(-1, k * k, c)
        tokens = tokens + self._attend(self.norm_attention(tokens))
        tokens = tokens + self.perceptron(self.norm_perceptron(tokens))
        return tokens.reshape(n, h // k, w // k, k, k, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)

    def _attend(self, tokens: Tensor) -> Tensor:
        windows, length, c = tokens.shape
        query, key, value = (
            self.qkv(tokens).reshape(windows, length, 3, self._heads, c // self._heads).permute(2, 0, 3, 1, 4)
        )
        bias = self.position_bias[self.offsets].permute(2, 0, 1).to(query.dtype)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.project(attended.transpose(1, 2).reshape(windows, length, c))


class AttentionDecoder(LadderDecoder):
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
        window: Annotated[int, Field(ge=2, le=64, description="height and width of a window, in positions")] = 8,
        heads: Annotated[int, Field(ge=1, le=64, description="attention heads; must divide that rung's channels")] = 4,
    ) -> None:
        strides = rung_strides(specs)
        at = min((s for s in strides if s >= attention_stride), default=strides[0])

        def block(width: int, stride: Fraction) -> nn.Module:
            if stride != at:
                return residual_blocks(width, blocks)
            if width % heads:
                raise AssemblyError(
                    f"decoder attn: {heads} heads do not divide {width} channels; set decoder.heads or widths"
                )
            before = blocks // 2
            return nn.Sequential(
                *residual_blocks(width, before),
                _WindowAttention(width, window, heads),
                *residual_blocks(width, blocks - before),
            )

        ladder = Ladder(
            specs,
            target,
            widths=widths,
            fine_width=fine_width,
            upsampler=PixelShuffleUpsampler,
            block=block,
            last=PixelShuffle,
        )
        super().__init__(ladder)
        self.multiple_of = lr_multiple([window * at], specs[-1].stride)
