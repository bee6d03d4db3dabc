"""The expanding half of diffusers' autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any

import torch
from diffusers.models.autoencoders.vae import Decoder as Network
from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import Decoder
from srzoo.errors import AssemblyError
from srzoo.layers import Width, scale_weights
from srzoo.spec import Spec, prime_factors
from srzoo_diffusers.options import Attention, Groups, Layers, Pretrained, check_groups
from srzoo_diffusers.weights import Folder


class DiffusersDecoder(Decoder):
    """A middle block on the latent, then levels of residual blocks, each enlarged and convolved.

    There are as many levels as it takes from the latent to the image, one for each prime factor of their strides'
    ratio and one for the image itself. Skips are added where the climb reaches their stride, after a 1x1 convolution.

    Normalisation takes its statistics over the whole map, and so does attention.

    Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022, as in
    diffusers.models.autoencoders.vae.Decoder.
    """

    def __init__(
        self,
        specs: tuple[Spec, ...],
        target: Spec,
        *,
        widths: Annotated[
            tuple[Width, ...],
            Field(min_length=1, max_length=16, description="channels from image to latent; the last serves the rest"),
        ] = (16, 32, 64),
        layers: Layers = 1,
        groups: Groups = 8,
        attention: Attention = False,
        pretrained: Pretrained = "",
    ) -> None:
        super().__init__()
        check_groups("decoder diffusers", widths, groups)
        *skips, deepest = specs
        strides, self._factors = _climb(specs, target.stride)
        levels = len(strides)
        used = tuple(widths[min(index, len(widths) - 1)] for index in range(levels))
        self.network = Network(
            in_channels=deepest.channels,
            out_channels=target.channels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=used,
            layers_per_block=layers,
            norm_num_groups=groups,
            mid_block_add_attention=attention,
        )
        scale_weights(self.network.conv_out, 0.1)
        self._skips = tuple(tuple(i for i, skip in enumerate(skips) if skip.stride == stride) for stride in strides)
        incoming = (used[-1], *used[:0:-1])
        self.fuse = nn.ModuleDict(
            {
                str(level): nn.Conv2d(sum(skips[i].channels for i in indices), incoming[level], 1)
                for level, indices in enumerate(self._skips)
                if indices
            }
        )
        if pretrained:
            self._start_from(pretrained, widths, layers, groups, attention)

    def _start_from(self, path: str, widths: tuple[int, ...], layers: int, groups: int, attention: bool) -> None:
        folder = Folder(path, "decoder diffusers")
        folder.require(
            widths=("block_out_channels", (64,), widths),
            layers=("layers_per_block", 1, layers),
            groups=("norm_num_groups", 32, groups),
            attention=("mid_block_add_attention", True, attention),
        )
        filled = folder.fill(**_from_the_image(self.network, len(folder.config.get("block_out_channels", (64,)))))
        if "decoder.conv_out" in filled:
            with torch.no_grad():  # the autoencoder's images are in [-1, 1], srzoo's in [0, 1]
                weight, bias = self.network.conv_out.parameters()
                weight.div_(2)
                bias.add_(1).div_(2)

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Skips and latent to the image (N, 3, H, W) of the target."""
        *skips, z = features
        network: Any = self.network
        x = network.mid_block(network.conv_in(z))
        for level, (block, indices) in enumerate(zip(network.up_blocks, self._skips, strict=True)):
            if indices:
                x = x + self.fuse[str(level)](torch.cat([skips[i] for i in indices], dim=1))
            for layer in block.resnets:
                x = layer(x, temb=None)
            for layer in block.upsamplers or ():
                factor = self._factors[level]
                x = layer(x, (x.shape[-2] * factor, x.shape[-1] * factor))
        return network.conv_out(network.conv_act(network.conv_norm_out(x)))


def _climb(specs: Sequence[Spec], target: Fraction) -> tuple[list[Fraction], list[int]]:
    """Strides of all levels from the latent to the image, and the factors between them.

    Raises:
        AssemblyError: A factor is no whole number.
    """
    deepest = specs[-1].stride
    stops = sorted({spec.stride for spec in specs if spec.stride <= deepest} | {target}, reverse=True)
    strides, factors = [deepest], []
    for before, after in pairwise(stops):
        if (before / after).denominator != 1:
            raise AssemblyError(
                f"from stride {before} to {after} is no whole factor: choose another encoder, or set skips=false"
            )
        for factor in prime_factors(int(before / after)):
            factors.append(factor)
            strides.append(strides[-1] / factor)
    return strides, factors


def _from_the_image(network: Network, levels: int) -> dict[str, nn.Module]:
    """The decoder's modules by their names in one with another number of levels, counted from the image."""
    modules: dict[str, nn.Module] = {
        f"decoder__{name}": getattr(network, name) for name in ("conv_in", "mid_block", "conv_norm_out", "conv_out")
    }
    for index, block in enumerate(reversed(network.up_blocks)):
        if index < levels:
            modules[f"decoder__up_blocks__{levels - 1 - index}"] = block
    return modules
