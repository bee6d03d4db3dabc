"""Verdicts on what a backbone sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from srzoo.contracts import Discriminator
from srzoo.errors import AssemblyError, OptionError
from srzoo.layers.backbones import UnfitError, describe
from srzoo.layers.variants import LISTING, find_variant, normalisation
from srzoo.messages import one_line
from srzoo.spec import Spec


class FeatureDiscriminator(Discriminator):
    """Small judges on the maps of a timm backbone: what the backbone cannot tell apart is not held against an image.

    Source: Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021: a backbone that is not trained, fixed random
    convolutions that mix its channels and scales, and a judge with spectral normalisation for each scale. Unlike there,
    each map is first brought to one mean and variance, image by image, since backbones differ in scale by orders of
    magnitude, and judges are a few convolutions at the map's own size, which keeps a verdict for each patch.

    The backbone is always in evaluation mode, also where it is trained: with statistics of a batch, the verdict on an
    image would depend on the others, and batches of photos and of generated images would differ by their statistics
    alone. Frozen weights are buffers, so that nothing trains them; they are part of the state.

    Images are padded by replication to what the backbone takes whole multiples of, and its maps are cropped again.
    Without ``pretrained`` the features are random ones. Weights come from where those of encoder ``timm`` come from:
    the Hugging Face hub, or the file ``timm_VARIANT.safetensors`` in the folder ``SRZOO_WEIGHTS``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        variant: Annotated[
            str, Field(min_length=1, description="name of the backbone in timm; one that takes any size")
        ] = "efficientnet_lite0",
        pretrained: Annotated[bool, Field(description="start from the weights that timm offers")] = False,
        frozen: Annotated[bool, Field(description="leave the backbone as it is, and train the judges alone")] = True,
        levels: Annotated[int, Field(ge=0, le=16, description="levels to judge, from fine; 0 judges all")] = 0,
        width: Annotated[int, Field(ge=1, le=512, description="channels of each judge")] = 32,
        mixing: Annotated[bool, Field(description="mix channels and scales by fixed random convolutions")] = True,
    ) -> None:
        super().__init__()
        if spec.channels != 3:
            raise AssemblyError(f"it judges images of 3 channels, not of {spec.channels}")
        entry = find_variant(variant, "discriminator feature")
        if entry.fixed_size:
            raise OptionError(
                f"discriminator feature/{variant} takes {entry.fixed_size}x{entry.fixed_size} only: "
                f"choose a variant without fixed_size, {LISTING}"
            )
        if levels > len(entry.strides):
            raise OptionError(
                f"discriminator feature/{variant} has {len(entry.strides)} levels, not {levels}: "
                "set discriminator.levels to 0 (all) or less"
            )
        try:
            self._description = describe(entry, levels)
        except UnfitError as error:
            raise OptionError(
                f"discriminator feature/{variant} cannot be used ({one_line(error)[:160]}): {LISTING}"
            ) from error
        self.backbone = self._description.network(3, pretrained=pretrained, owner="discriminator feature")
        _fix(self.backbone, None if frozen else self._description.idle)
        self.min_size = max(self._description.strides)
        channels = self._description.channels
        self.mixing = _Mixing(channels, width) if mixing else nn.Identity()
        self.judges = nn.ModuleList(_judge(width if mixing else each, width) for each in channels)
        mean, deviation = normalisation(variant)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1), persistent=False)
        self.train()

    def train(self, mode: bool = True) -> FeatureDiscriminator:
        """Switch the judges between training and evaluation; the backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) to one map of logits (N, 1, H / strides[i], W / strides[i]), rounded up, for each level."""
        height, width = image.shape[-2:]
        multiple = self._description.multiple
        image = F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        maps = self._description.maps(self.backbone, (image - self.mean) / self.deviation)
        maps = self.mixing(tuple(F.group_norm(each, 1) for each in maps))
        return tuple(
            judge(each[..., : -(-height // stride), : -(-width // stride)])
            for judge, each, stride in zip(self.judges, maps, self._description.strides, strict=True)
        )


class _Mixing(nn.Module):
    """Fixed random convolutions across channels and, from deep to fine, across scales."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.channels = nn.ModuleList(nn.Conv2d(each, width, 1, bias=False) for each in channels)
        self.scales = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1, bias=False) for _ in channels[1:])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        _fix(self)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Maps (N, channels[i], h[i], w[i]) to maps (N, width, h[i], w[i]), each with those behind it mixed in."""
        mixed = [self.channels[-1](maps[-1])]
        for channels, scales, each in zip(self.channels[-2::-1], self.scales[::-1], maps[-2::-1], strict=True):
            deeper = F.interpolate(mixed[0], size=each.shape[-2:], mode="bilinear", align_corners=False)
            mixed.insert(0, channels(each) + scales(deeper))
        return tuple(mixed)


def _judge(channels: int, width: int) -> nn.Sequential:
    """Convolutions from a map (N, channels, h, w) to logits (N, 1, h, w)."""
    return nn.Sequential(
        spectral_norm(nn.Conv2d(channels, width, 3, 1, 1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, width, 3, 1, 1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, 1, 1)),
    )


def _fix(network: nn.Module, names: frozenset[str] | None = None) -> None:
    """Make parameters buffers, so that neither an optimiser nor ``requires_grad_`` reaches them.

    Args:
        network: Whose parameters.
        names: Which; None for all.
    """
    for prefix, module in network.named_modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if names is None or f"{prefix}.{name}".removeprefix(".") in names:
                delattr(module, name)
                module.register_buffer(name, parameter.requires_grad_(False).detach())
