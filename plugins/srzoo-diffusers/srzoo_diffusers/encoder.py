"""The contracting half of diffusers' autoencoders."""

from __future__ import annotations

from typing import Annotated, Any

from diffusers.models.autoencoders.vae import Encoder as Network
from pydantic import Field
from torch import Tensor

from srzoo.contracts import Encoder
from srzoo.layers import Width
from srzoo.spec import Spec
from srzoo_diffusers.options import Attention, Groups, Layers, Pretrained, check_groups
from srzoo_diffusers.weights import Folder


class DiffusersEncoder(Encoder):
    """Levels of residual blocks, a strided convolution between two levels, and a middle block on the deepest.

    Every level's map is handed on before it is shrunk, the last one behind the middle block, normalised and activated:
    what the autoencoder's last convolution sees, which belongs to the latent here. Three input channels are taken for
    RGB in [0, 1], and shifted to [-1, 1].

    Normalisation takes its statistics over the whole map, and so does attention.

    Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022, as in
    diffusers.models.autoencoders.vae.Encoder.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: Annotated[
            tuple[Width, ...],
            Field(min_length=1, max_length=6, description="channels of each level; each but the first halves the map"),
        ] = (32, 64),
        layers: Layers = 1,
        groups: Groups = 8,
        attention: Attention = False,
        pretrained: Pretrained = "",
    ) -> None:
        super().__init__()
        check_groups("encoder diffusers", widths, groups)
        self.network = Network(
            in_channels=spec.channels,
            down_block_types=("DownEncoderBlock2D",) * len(widths),
            block_out_channels=widths,
            layers_per_block=layers,
            norm_num_groups=groups,
            mid_block_add_attention=attention,
        )
        del self.network.conv_out
        self.multiple_of = 2 ** (len(widths) - 1)
        self.out_specs = tuple(Spec(width, spec.stride * 2**level) for level, width in enumerate(widths))
        self._rgb = spec.channels == 3
        if pretrained:
            folder = Folder(pretrained, "encoder diffusers")
            folder.require(
                widths=("block_out_channels", (64,), widths),
                layers=("layers_per_block", 1, layers),
                groups=("norm_num_groups", 32, groups),
                attention=("mid_block_add_attention", True, attention),
            )
            folder.fill(encoder=self.network)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) to one map per level, (N, widths[i], H / 2^i, W / 2^i)."""
        network: Any = self.network
        x = network.conv_in(2 * features - 1 if self._rgb else features)
        maps = []
        for block in network.down_blocks:
            for layer in block.resnets:
                x = layer(x, temb=None)
            maps.append(x)
            for layer in block.downsamplers or ():
                x = layer(x)
        return (*maps[:-1], network.conv_act(network.conv_norm_out(network.mid_block(x))))
