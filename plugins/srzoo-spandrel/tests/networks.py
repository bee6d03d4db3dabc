"""Small networks with random weights, saved in the layouts in which checkpoints go round."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from spandrel.architectures.AuraSR import AuraSR
from spandrel.architectures.Compact import Compact
from spandrel.architectures.DAT import DAT
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.HAT import HAT
from spandrel.architectures.PLKSR import PLKSR, RealPLKSR
from spandrel.architectures.RealCUGAN import UpCunet2x, UpCunet2x_fast
from spandrel.architectures.SPAN import SPAN
from spandrel.architectures.SwinIR import SwinIR
from torch import Tensor, nn
from torch.nn import functional as F

Weights = dict[str, Tensor]

_SHUFFLE = {"mlp_ratio": 2, "upscale": 2, "upsampler": "pixelshuffle"}

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "esrgan": lambda: ESRGAN(num_filters=8, num_blocks=1, scale=4),
    "compact": lambda: Compact(num_feat=8, num_conv=2, upscale=3),
    "span": lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2),
    "plksr": lambda: PLKSR(dim=16, n_blocks=2, upscaling_factor=4),
    "real-plksr": lambda: RealPLKSR(dim=16, n_blocks=2, upscaling_factor=2),
    "real-cugan": lambda: UpCunet2x(),
    "real-cugan-fast": lambda: UpCunet2x_fast(),
    "swinir": lambda: SwinIR(img_size=16, embed_dim=12, depths=(2, 2), num_heads=(2, 2), window_size=8, **_SHUFFLE),
    "hat": lambda: HAT(
        img_size=16,
        embed_dim=12,
        depths=(2,),
        num_heads=(2,),
        window_size=8,
        compress_ratio=3,
        squeeze_factor=3,
        **_SHUFFLE,
    ),
    "dat": lambda: DAT(
        img_size=16,
        embed_dim=32,
        depth=(2,),
        num_heads=(2,),
        split_size=(4, 8),
        expansion_factor=2,
        upscale=2,
        upsampler="pixelshuffledirect",
    ),
}
"""By what they are; each makes another kind of demand on sizes."""


def weights(name: str) -> Weights:
    """The state of one of `NETWORKS`, the same at every call."""
    return _state(NETWORKS[name])


def aura() -> Weights:
    """The state of an AuraSR, which draws noise while it enlarges."""
    style = {"dim_in": 8, "dim_out": 32, "depth": 1}
    return _state(lambda: AuraSR(dim=8, image_size=None, input_image_size=None, style_network=style))


def gray() -> Weights:
    """The state of a network for images of one channel."""
    return _state(lambda: Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, upscale=2))


def restorer() -> Weights:
    """The state of a network that keeps the size."""
    return _state(lambda: Compact(num_feat=8, num_conv=2, upscale=1))


def _state(make: Callable[[], nn.Module]) -> Weights:
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what old network code says of itself
        torch.manual_seed(0)
        return make().state_dict()


def save(state: Weights, path: Path, nesting: str = "") -> Path:
    """Write weights as the file's suffix says, under a key of their own where there is ``nesting``."""
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save({nesting: state} if nesting else state, path)
    return path


class RRDBNet(nn.Module):
    """ESRGAN as its authors' later training code lays it out, written anew from the paper.

    Source: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018.
    """

    def __init__(self, channels: int = 8, growth: int = 32, blocks: int = 2) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.ModuleList(_Rrdb(channels, growth) for _ in range(blocks))
        self.conv_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_up1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_up2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_hr = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, lr: Tensor) -> Tensor:
        first = x = self.conv_first(lr)
        for block in self.body:
            x = block(x)
        x = first + self.conv_body(x)
        for convolution in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(convolution(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


class _Rrdb(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (_Dense(channels, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class _Dense(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        for index in range(1, 6):
            after = growth if index < 5 else channels
            self.add_module(f"conv{index}", nn.Conv2d(channels + (index - 1) * growth, after, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        features = x
        for index in range(1, 5):
            features = torch.cat([features, F.leaky_relu(self.get_submodule(f"conv{index}")(features), 0.2)], 1)
        return x + 0.2 * self.get_submodule("conv5")(features)
