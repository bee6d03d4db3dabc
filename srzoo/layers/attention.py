"""Self-attention within windows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.errors import AssemblyError
from srzoo.layers.blocks import scale_weights


class WindowAttention(nn.Module):
    """x + attention(x), then x + perceptron(x), within windows that do not overlap.

    Source: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021 (windows,
    relative position bias, shift); both branches start at a tenth of their usual weights.

    Args:
        channels: Channels of the map, a multiple of ``heads``.
        window: Height and width of a window.
        heads: Attention heads.
        shift: How far the windows' grid is moved up and to the left, below ``window``. Positions that meet in one
            window only because the map was wrapped around do not see each other.

    Raises:
        AssemblyError: The heads do not divide the channels.
    """

    offsets: Tensor

    def __init__(self, channels: int, window: int, heads: int, shift: int = 0) -> None:
        super().__init__()
        if channels % heads:
            raise AssemblyError(f"{heads} attention heads do not divide {channels} channels: change one of the two")
        self._window = window
        self._heads = heads
        self._shift = shift
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
        if not self._shift:
            return self._within_windows(x, None)
        rolled = torch.roll(x, (-self._shift, -self._shift), dims=(2, 3))
        result = self._within_windows(rolled, self._neighbours(x.shape[2], x.shape[3], x.device))
        return torch.roll(result, (self._shift, self._shift), dims=(2, 3))

    def _within_windows(self, x: Tensor, allowed: Tensor | None) -> Tensor:
        n, c, h, w = x.shape
        k = self._window
        tokens = x.reshape(n, c, h // k, k, w // k, k).permute(0, 2, 4, 3, 5, 1).reshape(n, -1, k * k, c)
        tokens = tokens + self._attend(self.norm_attention(tokens), allowed)
        tokens = tokens + self.perceptron(self.norm_perceptron(tokens))
        return tokens.reshape(n, h // k, w // k, k, k, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)

    def _attend(self, tokens: Tensor, allowed: Tensor | None) -> Tensor:
        n, windows, length, c = tokens.shape
        split = self.qkv(tokens).reshape(n, windows, length, 3, self._heads, c // self._heads)
        query, key, value = (each.flatten(0, 1) for each in split.permute(3, 0, 1, 4, 2, 5))
        bias = self.position_bias[self.offsets].permute(2, 0, 1).to(query.dtype)
        if allowed is not None:
            bias = bias.masked_fill(~allowed[:, None], -torch.inf).repeat(n, 1, 1, 1)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.project(attended.transpose(1, 2).reshape(n, windows, length, c))

    def _neighbours(self, height: int, width: int, device: torch.device) -> Tensor:
        """Which positions of a window were near before the roll: (windows, k * k, k * k), boolean."""
        k = self._window
        rows, columns = ((torch.arange(size, device=device) >= size - self._shift).long() for size in (height, width))
        regions = 2 * rows[:, None] + columns
        windows = regions.reshape(height // k, k, width // k, k).permute(0, 2, 1, 3).reshape(-1, k * k)
        return windows[:, :, None] == windows[:, None, :]
