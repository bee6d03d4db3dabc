"""A deterministic bottleneck."""

from collections.abc import Sequence

from torch import Tensor

from srzoo.contracts import Latent, LatentOutput
from srzoo.spec import Spec


class IdentityLatent(Latent):
    """Hands the deepest features on as they are, which turns the VAE into a plain network."""

    def __init__(self, spec: Spec, target: Spec) -> None:
        super().__init__()
        self.out_spec = spec

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        """(N, C, H, W) to itself, with no distribution."""
        return LatentOutput(features)
