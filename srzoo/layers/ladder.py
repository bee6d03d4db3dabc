"""The climb from the deepest map to the image, which srzoo's decoders share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import log2

import torch
from torch import Tensor, nn

from srzoo.contracts import Decoder
from srzoo.layers.blocks import Downsampler, PixelShuffle, PixelShuffleUpsampler, conv3x3, scale_weights
from srzoo.spec import Spec, common_multiple, resampling_steps

UpsamplerFactory = Callable[[int, int, int], nn.Module]
"""(channels in, channels out, factor) -> a module that enlarges by the factor."""

BlockFactory = Callable[[int, Fraction], nn.Module]
"""(channels, stride in LR pixels) -> a module that keeps the shape."""


class _Level(nn.Module):
    """One rung: resample to a stride, fuse the skips of that stride, refine."""

    def __init__(self, resample: nn.Module, fuse: nn.Module | None, refine: nn.Module) -> None:
        super().__init__()
        self.resample = resample
        self.fuse = fuse
        self.refine = refine

    def forward(self, x: Tensor, skips: Sequence[Tensor]) -> Tensor:
        x = self.resample(x)
        if self.fuse is not None:
            x = self.fuse(torch.cat([x, *skips], dim=1))
        return self.refine(x)


class Ladder(nn.Module):
    """The climb that all of srzoo's decoders share, from the deepest map over the skips to the image.

    One rung for every stride among ``specs``, and one at LR resolution (stride 1) also where no skip has it, so that a
    decoder does the same work with and without skips. From rung to rung it steps by the prime factors of the ratio of
    strides; nothing is resized to hide a mismatch.

    Args:
        specs: The skips from fine to deep, then the latent.
        target: The image.
        widths: Channels at stride 1, 2, 4, ...; the last one serves all deeper rungs.
        fine_width: Channels between LR resolution and the image.
        upsampler: Makes each enlarging step.
        block: Makes what refines a rung.
        fine_block: Makes what refines each step above LR resolution.
        last: Makes the last enlarging step, straight to the image; None ends on a convolution at full size instead.
        start: How small the initial weights of the last layer are made; an image that is added to a base starts small.
    """

    def __init__(
        self,
        specs: Sequence[Spec],
        target: Spec,
        *,
        widths: Sequence[int],
        fine_width: int,
        upsampler: UpsamplerFactory,
        block: BlockFactory,
        fine_block: BlockFactory | None = None,
        last: UpsamplerFactory | None = None,
        start: float = 0.1,
    ) -> None:
        super().__init__()
        *skips, deepest = specs
        strides = rung_strides(specs)
        self._skips = tuple(tuple(i for i, skip in enumerate(skips) if skip.stride == stride) for stride in strides)
        width = width_at(widths, strides[0])
        self.entry = conv3x3(deepest.channels, width)
        self.levels = nn.ModuleList()
        current = strides[0]
        for stride, indices in zip(strides, self._skips, strict=True):
            level_width = width_at(widths, stride)
            resample = _resampler(width, level_width, current, stride, upsampler)
            incoming = sum(skips[i].channels for i in indices)
            fuse = conv3x3(level_width + incoming, level_width) if indices else None
            self.levels.append(_Level(resample, fuse, block(level_width, stride)))
            width, current = level_width, stride
        factors = resampling_steps(current, target.stride)[0]
        direct = factors.pop() if last is not None and factors else None
        self.fine = nn.Sequential()
        for factor in factors:
            current /= factor
            self.fine.append(upsampler(width, fine_width, factor))
            if fine_block is not None:
                self.fine.append(fine_block(fine_width, current))
            width = fine_width
        self.to_image = last(width, target.channels, direct) if last and direct else conv3x3(width, target.channels)
        scale_weights(self.to_image, start)

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Maps shaped by ``specs`` to the image (N, 3, H / stride, W / stride) of ``target``."""
        *skips, x = features
        x = self.entry(x)
        for level, indices in zip(self.levels, self._skips, strict=True):
            x = level(x, [skips[i] for i in indices])
        return self.to_image(self.fine(x))


def rung_strides(specs: Sequence[Spec]) -> list[Fraction]:
    """Strides of a `Ladder`'s rungs, deep to fine, down to LR resolution."""
    deepest = specs[-1].stride
    strides = {spec.stride for spec in specs if spec.stride <= deepest} | {deepest}
    if deepest > 1:
        strides.add(Fraction(1))
    return sorted(strides, reverse=True)


def width_at(widths: Sequence[int], stride: Fraction) -> int:
    """Channels at ``stride``, where ``widths`` lists those at stride 1, 2, 4, ..."""
    level = max(0, round(log2(stride)))
    return widths[min(level, len(widths) - 1)]


def lr_multiple(strides: Sequence[Fraction | int], stride: Fraction) -> int:
    """What a map of ``stride`` must be a multiple of, so that its LR image is one of every entry of ``strides``."""
    return int(common_multiple([*strides, stride]) / stride)


def _resampler(
    channels_in: int, channels_out: int, source: Fraction, target: Fraction, upsampler: UpsamplerFactory
) -> nn.Sequential:
    enlarge, shrink = resampling_steps(source, target)
    steps = nn.Sequential()
    for factor in enlarge:
        steps.append(upsampler(channels_in, channels_out, factor))
        channels_in = channels_out
    for factor in shrink:
        steps.append(Downsampler(channels_in, channels_out, factor))
        channels_in = channels_out
    return steps


class LadderDecoder(Decoder):
    """A decoder that is a `Ladder`; what it is made of tells one such decoder from another."""

    def __init__(self, ladder: Ladder) -> None:
        super().__init__()
        self.ladder = ladder

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Skips and latent to the image (N, 3, H, W) of the target."""
        return self.ladder(features)


class ShuffleLadderDecoder(LadderDecoder):
    """A `LadderDecoder` that enlarges by sub-pixel convolutions.

    Args:
        specs: The skips from fine to deep, then the latent.
        target: The image.
        widths: Channels at stride 1, 2, 4, ...
        fine_width: Channels between LR resolution and the image.
        block: Makes what refines a rung.
        full_size: Whether a convolution at full size comes last; else the last enlarging step gives the image.
    """

    def __init__(
        self,
        specs: tuple[Spec, ...],
        target: Spec,
        *,
        widths: Sequence[int],
        fine_width: int,
        block: BlockFactory,
        full_size: bool = False,
    ) -> None:
        super().__init__(
            Ladder(
                specs,
                target,
                widths=widths,
                fine_width=fine_width,
                upsampler=PixelShuffleUpsampler,
                last=None if full_size else PixelShuffle,
                block=block,
            )
        )
