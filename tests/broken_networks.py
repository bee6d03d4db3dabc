"""Encoders, latents, decoders, discriminators and upscalers that are each broken in one way."""

from __future__ import annotations

from typing import Any

import torch
from sound_parts import PlainLatent
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.contracts import Decoder, Discriminator, Encoder, Gaussian, LatentOutput, Upscaler
from srzoo.errors import AssemblyError
from srzoo.layers import Ladder, LadderDecoder, PixelShuffle
from srzoo.spec import Spec


class WithoutForward(Encoder):
    """Does not say how."""


class DeafToNoise(PlainLatent):
    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        return super().forward(features, hr)


class LossPerPixel(PlainLatent):
    def losses(self, mean: Tensor) -> dict[str, Tensor]:
        return {"energy": mean.square()}


class LossOfInfinity(PlainLatent):
    def losses(self, mean: Tensor) -> dict[str, Tensor]:
        return {"energy": mean.mean() / 0}


class Detaches(PlainLatent):
    """Trains itself, and nothing before it."""

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        return super().forward(features.detach(), hr, noise)


class DrawsItsOwnNoise(PlainLatent):
    """Samples in training by itself, and so ignores where a position is."""

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        return super().forward(features, hr, (torch.randn_like(features),) if self.training else noise)


class DeepFirst(Encoder):
    """Hands its maps on in the wrong order."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.multiple_of = 2
        self.out_specs = (Spec(spec.channels, spec.stride * 2), spec)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return F.avg_pool2d(features, 2), features


class WrongPosterior(PlainLatent):
    """Its posterior is at another size than its noise."""

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        result = super().forward(features, hr, noise)
        half = F.avg_pool2d(result.z, 2)
        return result if hr is None else result._replace(posterior=(Gaussian(half, half),))


class HalfWay(Decoder):
    """Enlarges to LR resolution whatever the target."""

    def __init__(self, specs: tuple[Spec, ...], target: Spec) -> None:
        super().__init__()
        self.layer = nn.Conv2d(specs[-1].channels, 3, 1)
        self.factor = int(specs[-1].stride)

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        return F.interpolate(self.layer(features[-1]), scale_factor=self.factor)


class OneScaleOnly(LadderDecoder):
    """Says that it serves any scale, but has weights for each."""

    any_scale = True

    def __init__(self, specs: tuple[Spec, ...], target: Spec) -> None:
        last = PixelShuffle
        ladder = Ladder(specs, target, widths=(4,), fine_width=4, upsampler=last, block=lambda w, s: nn.Identity())
        super().__init__(ladder)


class WidthOfScale(HalfWay):
    """Serves any scale, each with weights of its own."""

    any_scale = True

    def __init__(self, specs: tuple[Spec, ...], target: Spec) -> None:
        super().__init__(specs, target)
        self.scale = float(1 / target.stride)
        self.inner = nn.Conv2d(3, 3, (1, 2 * int(self.scale) + 1), padding=(0, int(self.scale)))

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        return F.interpolate(self.inner(super().forward(features)), scale_factor=self.scale)


class WholeStepsOnly(Decoder):
    """Refuses every target there is."""

    def __init__(self, specs: tuple[Spec, ...], target: Spec) -> None:
        raise AssemblyError("enlarges by 1 only")

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        return features[-1]


class NeedsMore(Discriminator):
    """Judges patches of 8 pixels, which it does not declare."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.layer = nn.Conv2d(spec.channels, 1, 8)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.layer(image),)


class TwiceOnly(Upscaler):
    """Enlarges by 2 and says 4."""

    def __init__(self, scale: int | None) -> None:
        super().__init__()
        self.scale = 4

    def forward(self, lr: Tensor) -> Tensor:
        return F.interpolate(lr, scale_factor=2)


class NeedsFour(Upscaler):
    """Mirrors four pixels, and so needs more of them."""

    def __init__(self, scale: int | None) -> None:
        super().__init__()
        self.scale = scale or 2

    def forward(self, lr: Tensor) -> Tensor:
        padded = F.pad(lr, (4, 4, 4, 4), mode="reflect")
        return F.interpolate(padded[..., 4:-4, 4:-4], scale_factor=self.scale)


BROKEN: list[tuple[str, type, str]] = [
    ("encoder", WithoutForward, "imports"),
    ("encoder", DeepFirst, "specs"),
    ("latent", WrongPosterior, "specs"),
    ("decoder", HalfWay, "specs"),
    ("decoder", WholeStepsOnly, "default_constructible"),
    ("upscaler", TwiceOnly, "specs"),
    ("discriminator", NeedsMore, "sizes"),
    ("upscaler", NeedsFour, "sizes"),
    ("decoder", OneScaleOnly, "any_scale"),
    ("decoder", WidthOfScale, "any_scale"),
    ("latent", DeafToNoise, "noise"),
    ("latent", LossPerPixel, "losses"),
    ("latent", LossOfInfinity, "specs"),
    ("latent", Detaches, "gradients"),
    ("latent", DrawsItsOwnNoise, "chance"),
]
"""A part that is broken in one way, and the check that is to find it before any other does."""
