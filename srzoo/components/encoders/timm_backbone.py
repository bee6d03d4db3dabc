"""Backbones of the timm library."""

from __future__ import annotations

from math import lcm
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Encoder
from srzoo.errors import OptionError
from srzoo.layers.backbones import CHOSEN_SIZE, RGB_ONLY, Backbone, UnfitError, describe
from srzoo.layers.variants import LISTING, find_variant, normalisation
from srzoo.spec import Spec


class TimmEncoder(Encoder):
    """A backbone of timm with its classifier taken off: convolutional, hierarchical or a plain transformer.

    Three input channels are taken for RGB and normalised as the variant was trained; for any other number timm repeats
    or sums the weights of the first layer, and a network that can only compute with colours gets a 1x1 convolution
    before it. Class and register tokens are dropped, and maps are handed out as (N, C, H, W).

    Most variants take any size, some of them because their positions are interpolated. Those that take one size are
    built for the size they were trained at, or for ``size`` where timm can do that.

    Weights come from the Hugging Face hub, or from the file ``timm_VARIANT.safetensors`` in the folder
    ``SRZOO_WEIGHTS`` where that holds one. Parameters that no map depends on stay as they are.

    Source: Wightman, "PyTorch Image Models", 2019, https://github.com/huggingface/pytorch-image-models.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        variant: Annotated[str, Field(min_length=1, description="name of the backbone in timm")] = "resnet18",
        pretrained: Annotated[bool, Field(description="start from the weights that timm offers")] = False,
        depth: Annotated[int, Field(ge=0, le=16, description="levels to keep, from fine; 0 keeps all")] = 0,
        size: Annotated[
            int,
            Field(
                ge=0, le=4096, description="height and width to build it for, where it does not take any; 0: as trained"
            ),
        ] = 0,
        frozen: Annotated[bool, Field(description="leave the backbone as it is while the rest is trained")] = False,
    ) -> None:
        super().__init__()
        description = _described(variant, depth, size)
        rgb_only = RGB_ONLY in description.entry.handling
        self.to_rgb = nn.Conv2d(spec.channels, 3, 1) if rgb_only and spec.channels != 3 else nn.Identity()
        self.backbone = description.network(3 if rgb_only else spec.channels, pretrained=pretrained)
        self.multiple_of = description.multiple
        self.out_specs = tuple(
            Spec(channels, spec.stride * stride)
            for channels, stride in zip(description.channels, description.strides, strict=True)
        )
        if description.fixed_size:
            side = spec.stride * description.fixed_size
            self.fixed_size = int(side), int(side)
        self._description = description
        self._frozen = frozen
        mean, deviation = normalisation(variant) if spec.channels == 3 else ((0.0,), (1.0,))
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1), persistent=False)
        if frozen:
            self.backbone.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> TimmEncoder:
        """Switch between training and evaluation; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
        return self

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) to one map per level of the backbone, (N, channels[i], H / strides[i], W / strides[i])."""
        return self._description.maps(self.backbone, self.to_rgb((features - self.mean) / self.deviation))


def _described(variant: str, depth: int, size: int) -> Backbone:
    """What a variant is at that depth and size.

    Raises:
        OptionError: There is no such variant, or it does not have that depth or size.
    """
    entry = find_variant(variant, "encoder timm")
    if depth > len(entry.strides):
        raise OptionError(
            f"encoder timm/{variant} has {len(entry.strides)} levels, not {depth}: set encoder.depth to 0 (all) or less"
        )
    if size and CHOSEN_SIZE not in entry.handling:
        takes = f"takes {entry.fixed_size}x{entry.fixed_size} only" if entry.fixed_size else "takes any size"
        raise OptionError(f"encoder timm/{variant} {takes}: leave encoder.size at 0")
    try:
        return describe(entry, depth, size)
    except UnfitError as error:
        built = f" at size {size}" if size else ""
        advice = f"try a multiple of {lcm(*entry.strides)} as encoder.size" if size else LISTING
        raise OptionError(f"encoder timm/{variant} cannot be used{built} ({str(error)[:160]}): {advice}") from error
