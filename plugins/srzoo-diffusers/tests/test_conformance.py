"""The parts keep what their kinds promise."""

from __future__ import annotations

from srzoo.testing import conformance

WIDE = {"widths": [8, 16, 24], "layers": 2, "groups": 4, "attention": True}

test_encoder = conformance("encoder", "srzoo-diffusers:diffusers")
test_encoder_with_attention = conformance("encoder", "srzoo-diffusers:diffusers", options=WIDE)
test_encoder_of_one_level = conformance("encoder", "srzoo-diffusers:diffusers", options={"widths": [16]})
test_kl = conformance("latent", "srzoo-diffusers:diffusers-kl")
test_vq = conformance("latent", "srzoo-diffusers:diffusers-vq")
test_vq_of_another_dimension = conformance("latent", "srzoo-diffusers:diffusers-vq", options={"dimension": 5})
test_decoder = conformance("decoder", "srzoo-diffusers:diffusers")
test_decoder_with_attention = conformance("decoder", "srzoo-diffusers:diffusers", options=WIDE)
