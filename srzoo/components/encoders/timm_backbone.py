"""Backbones of the timm library."""

from __future__ import annotations

import json
import os
from functools import cache
from math import lcm
from pathlib import Path
from typing import Annotated, Any

import timm
import torch
from pydantic import Field
from timm.layers.format import Format
from torch import Tensor

from srzoo.contracts import Encoder
from srzoo.errors import FetchError, OptionError
from srzoo.options import one_line, suggestion
from srzoo.spec import Spec

_LISTING = "see: srzoo list encoders --family timm"


@cache
def _catalogue() -> dict[str, dict[str, Any]]:
    """The variants whose maps were measured to be what they say, by name."""
    file = Path(__file__).with_suffix(".catalogue.json")
    return {entry["variant"]: entry for entry in json.loads(file.read_text(encoding="utf-8"))}


class TimmEncoder(Encoder):
    """A convolutional or hierarchical backbone of timm, with its classifier taken off.

    Three input channels are taken for RGB and normalised as the variant was trained; for any other number timm repeats
    or sums the weights of the first layer. The catalogue holds the variants that take images of any size and shrink
    from level to level; all others are refused. Weights come from the Hugging Face hub, or from the file
    ``timm_VARIANT.safetensors`` in the folder ``SRZOO_WEIGHTS`` where that holds one.

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
        frozen: Annotated[bool, Field(description="leave the backbone as it is while the rest is trained")] = False,
    ) -> None:
        super().__init__()
        strides = _known_strides(variant)
        if depth > len(strides):
            raise OptionError(
                f"encoder timm/{variant} has {len(strides)} levels, not {depth}: set encoder.depth to 0 (all) or less"
            )
        self.backbone = _create(variant, spec.channels, depth, pretrained)
        self.multiple_of = lcm(*strides)
        self.out_specs = tuple(
            Spec(channels, spec.stride * reduction)
            for channels, reduction in zip(
                self.backbone.feature_info.channels(), self.backbone.feature_info.reduction(), strict=True
            )
        )
        self._rows_columns_channels = getattr(self.backbone, "output_fmt", Format.NCHW) == Format.NHWC
        self._frozen = frozen
        mean, deviation = _normalisation(variant) if spec.channels == 3 else ((0.0,), (1.0,))
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
        maps = self.backbone((features - self.mean) / self.deviation)
        return tuple(each.permute(0, 3, 1, 2) if self._rows_columns_channels else each for each in maps)


def _known_strides(variant: str) -> list[int]:
    """Strides of a variant's levels.

    Raises:
        OptionError: There is no such variant, or it does not fit.
    """
    known = _catalogue()
    installed = timm.is_model(variant)
    if variant in known and installed:
        strides: list[int] = known[variant]["strides"]
        return strides
    if variant in known:
        raise OptionError(f"encoder timm: timm {timm.__version__} has no {variant!r} yet: pip install -U timm")
    if installed:
        raise OptionError(
            f"encoder timm: {variant!r} needs a fixed input size or does not shrink from level to level: {_LISTING}"
        )
    raise OptionError(f"encoder timm: there is no variant {variant!r}{suggestion(variant, known)}; {_LISTING}")


def _normalisation(variant: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of RGB by which a variant's input was normalised in training."""
    defaults = timm.get_pretrained_cfg(variant)
    return (defaults.mean, defaults.std) if defaults is not None else ((0.0,), (1.0,))


def _create(variant: str, channels: int, depth: int, pretrained: bool) -> Any:
    """The backbone, with its first ``depth`` maps as outputs, or with all that timm hands out where that is 0.

    Raises:
        OptionError: timm has no weights for it.
        FetchError: The weights cannot be had.
    """
    wanted: dict[str, Any] = {"features_only": True, "in_chans": channels}
    if depth:
        with torch.device("meta"):
            whole: Any = timm.create_model(variant, features_only=True)
        wanted["out_indices"] = tuple(whole.feature_info.out_indices[:depth])
    if not pretrained or torch.get_default_device().type == "meta":
        return timm.create_model(variant, **wanted)
    if not timm.is_model_pretrained(variant):
        raise OptionError(f"timm has no weights of encoder timm/{variant}: set encoder.pretrained=false")
    folder = os.environ.get("SRZOO_WEIGHTS")
    file = Path(folder or "") / f"timm_{variant}.safetensors"
    overlay = {"file": str(file)} if folder and file.is_file() else None
    try:
        return timm.create_model(variant, pretrained=True, pretrained_cfg_overlay=overlay, **wanted)
    except Exception as error:  # the hub, the network and the file each have errors of their own
        raise FetchError(
            f"the weights of encoder timm/{variant} cannot be had ({one_line(error)[:120]}): check the network, "
            f"or put {file.name} into a folder and name that in SRZOO_WEIGHTS"
        ) from error
