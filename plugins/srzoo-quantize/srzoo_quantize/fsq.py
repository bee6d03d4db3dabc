"""Quantisation without a codebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor
from vector_quantize_pytorch import FSQ

from srzoo.contracts import Latent, LatentOutput
from srzoo.spec import Spec
from srzoo_quantize.vectors import full_precision, projection

Level = Annotated[int, Field(ge=3, le=256)]
"""Values that one channel can take."""


class FiniteScalarLatent(Latent):
    """Few channels, each bounded to [-1, 1] and rounded to a few levels: every combination of levels is a code.

    There is nothing to learn but the projection, no code can fall out of use, and no loss is needed. Features are
    brought to mean 0 and variance 1 beforehand, where the paper leaves that to the encoder, so that many levels are in
    use from the first step on.

    Source: Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", ICLR 2024, whose levels for about 1000
    codes are the default.
    """

    def __init__(
        self,
        spec: Spec,
        target: Spec,
        *,
        levels: Annotated[
            tuple[Level, ...],
            Field(min_length=1, max_length=64, description="levels of each channel; their product is the codes"),
        ] = (8, 5, 5, 5),
    ) -> None:
        super().__init__()
        self.out_spec = Spec(len(levels), spec.stride)
        self.project = projection(spec.channels, len(levels))
        # Numbers of codes are not asked for: they would need a table of all codes, and overflow for many levels.
        self.quantizer = FSQ(levels, return_indices=False)

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        """(N, C, H, W) to codes (N, len(levels), H, W); the HR image is not looked at."""
        vectors = self.project(features)
        with full_precision(vectors):
            z, _ = self.quantizer(vectors.float())
        return LatentOutput(z)
