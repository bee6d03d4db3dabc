"""A codebook kept as moving averages, learned without chance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import VectorQuantize

from srzoo_quantize.vectors import full_precision

_AT_ONCE = 2**14
"""Positions that are compared with the codebook at once in use, since the distances take one value for each code."""


class Codebook(nn.Module):
    """vector-quantize-pytorch's `VectorQuantize`, made to depend on its input and its state alone.

    The library starts from tiny random codes and would have k-means, or a replacement of codes that nothing uses, draw
    from torch's global generator. Here codes that nothing uses, which are all at first, are replaced by vectors of the
    batch whose places a generator of its own chooses. What decides is how often a code is used in comparison with the
    others, so that it does not depend on the size of batches and crops.

    Args:
        size: Number of codes.
        dimension: Channels of a code.
        decay: Weight of the past in the moving averages.
        commitment: Weight of the commitment loss.
        revival: Share of the average use below which a code is replaced.
        rotation: Whether gradients are rotated and scaled from the code to the vector, not copied.
        cosine: Whether vectors and codes are compared at unit length.
    """

    def __init__(
        self,
        size: int,
        dimension: int,
        *,
        decay: float,
        commitment: float,
        revival: float,
        rotation: bool,
        cosine: bool,
    ) -> None:
        super().__init__()
        self._revival = revival
        self.quantizer = VectorQuantize(
            dimension,
            size,
            decay=decay,
            commitment_weight=commitment,
            rotation_trick=rotation,
            use_cosine_sim=cosine,
            threshold_ema_dead_code=1,
            sync_codebook=False,
        )
        averages = self._averages
        # A tensor that says whether k-means has run is read at every pass, which neither export nor meta device can do.
        del averages.initted
        averages.initted = True
        averages.replace_sample_fn = _spread
        # The library counts every code as used once before the first batch.
        averages.cluster_size.zero_()
        averages.embed_avg.zero_()

    @property
    def _averages(self) -> Any:
        return self.quantizer._codebook

    @property
    def codes(self) -> Tensor:
        """The codes, (size, dimension)."""
        return self.quantizer.codebook

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Replace vectors by the codes next to them, and learn the codes in training.

        Args:
            vectors: (N, D, H, W).

        Returns:
            Codes (N, D, H, W) in float32, and the weighted commitment loss, a scalar; 0 in evaluation mode.
        """
        n, _, height, width = vectors.shape
        with full_precision(vectors):
            rows = vectors.float().flatten(2).mT
            if self.training:
                fair = rows[..., 0].numel() / self.quantizer.codebook_size
                self._averages.threshold_ema_dead_code = self._revival * fair
                self._averages.reset_cluster_size = fair
                codes, _, loss = self.quantizer(rows)
            else:
                codes = torch.cat([self.quantizer(part)[0] for part in torch.split(rows, _AT_ONCE, dim=1)], dim=1)
                loss = codes.new_zeros(())
        return codes.mT.reshape(n, -1, height, width), loss


def _spread(samples: Tensor, count: int) -> Tensor:
    """Choose ``count`` of the vectors (K, M, D) in each of K sets, the same places for the same M; (K, count, D)."""
    number = samples.shape[1]
    order = torch.randperm(number, generator=torch.Generator("cpu").manual_seed(number), device="cpu")
    places = order[torch.arange(count, device="cpu") % number]
    return samples[:, places.to(samples.device)]
