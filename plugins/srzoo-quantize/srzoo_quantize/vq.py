"""The latent of the VQ-VAE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from srzoo.contracts import Latent, LatentOutput
from srzoo.spec import Spec
from srzoo_quantize.codebook import Codebook
from srzoo_quantize.vectors import projection


class VectorQuantizedLatent(Latent):
    """Each position of the LR features becomes the nearest of a codebook's vectors, which is all that the decoder sees.

    Features are brought to mean 0 and variance 1 beforehand. The codebook is kept as moving averages of the vectors
    that it stands for, and codes that are hardly used are replaced by vectors of the batch. The loss ``commitment``
    keeps the vectors near their codes.

    Source: van den Oord et al., "Neural Discrete Representation Learning", NIPS 2017; Razavi et al., "Generating
    Diverse High-Fidelity Images with VQ-VAE-2", NeurIPS 2019 (moving averages); Dhariwal et al., "Jukebox: A Generative
    Model for Music", 2020 (replaced codes); Łańcucki et al., "Robust Training of Vector Quantized Bottleneck Models",
    IJCNN 2020 (normalised features); Yu et al., "Vector-quantized Image Modeling with Improved VQGAN", ICLR 2022 (codes
    of unit length); Fifty et al., "Restructuring Vector Quantization with the Rotation Trick", ICLR 2025.
    """

    def __init__(
        self,
        spec: Spec,
        target: Spec,
        *,
        codebook_size: Annotated[int, Field(ge=2, le=65536, description="number of codes")] = 512,
        dimension: Annotated[int, Field(ge=1, le=1024, description="channels of a code")] = 16,
        decay: Annotated[
            float, Field(ge=0, lt=1, description="weight of the past in the moving averages that the codes are")
        ] = 0.95,
        commitment_weight: Annotated[float, Field(ge=0, description="weight of the loss commitment")] = 0.25,
        revival: Annotated[
            float, Field(gt=0, le=1, description="share of the average use below which a code is replaced")
        ] = 0.1,
        distance: Annotated[
            Literal["euclidean", "cosine"],
            Field(description="what the nearest code is; cosine keeps vectors and codes at unit length"),
        ] = "euclidean",
        gradient: Annotated[
            Literal["straight-through", "rotation"],
            Field(description="how gradients pass from the code to the vector: copied, or rotated and scaled"),
        ] = "straight-through",
    ) -> None:
        super().__init__()
        self.out_spec = Spec(dimension, spec.stride)
        self.project = projection(spec.channels, dimension)
        self.codebook = Codebook(
            codebook_size,
            dimension,
            decay=decay,
            commitment=commitment_weight,
            revival=revival,
            rotation=gradient == "rotation",
            cosine=distance == "cosine",
        )

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        """(N, C, H, W) to codes (N, dimension, H, W); the HR image is not looked at."""
        z, commitment = self.codebook(self.project(features))
        return LatentOutput(z, losses={"commitment": commitment} if self.training else {})
