"""The latents keep what latents promise, with every option."""

from __future__ import annotations

from srzoo.testing import conformance

test_vq = conformance("latent", "srzoo-quantize:vq")
test_vq_of_unit_length = conformance(
    "latent",
    "srzoo-quantize:vq",
    options={"codebook_size": 33, "dimension": 3, "distance": "cosine", "gradient": "rotation", "commitment_weight": 0},
)
test_vq_of_scalars = conformance("latent", "srzoo-quantize:vq", options={"codebook_size": 2, "dimension": 1})
test_fsq = conformance("latent", "srzoo-quantize:fsq")
test_fsq_of_many_levels = conformance("latent", "srzoo-quantize:fsq", options={"levels": [3, 4, 256, 7, 7, 7]})
