"""The transform is the Haar transform, and the encoder keeps what encoders promise."""

import torch
from srzoo_wavelet.encoder import WaveletEncoder, haar

from srzoo.spec import Spec
from srzoo.testing import conformance


def test_the_transform_is_orthonormal() -> None:
    x = torch.rand(2, 3, 6, 10, dtype=torch.float64)
    torch.testing.assert_close(haar(x).square().sum(), x.square().sum())
    basis = haar(torch.eye(16, dtype=torch.float64).view(16, 1, 4, 4)).flatten(1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(16, dtype=torch.float64))


def test_each_band_sees_its_own_direction() -> None:
    ramp = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 8, 8)
    for image, silent in ((torch.ones(1, 1, 8, 8), {1, 2, 3}), (ramp, {2, 3}), (ramp.mT, {1, 3})):
        bands = haar(image)[0]
        assert {band for band in range(4) if not bands[band].any()} == silent


def test_the_input_must_be_a_multiple_of_what_all_levels_halve() -> None:
    assert WaveletEncoder(Spec(5), widths=(6, 7, 8)).multiple_of == 8


test_conformance = conformance("encoder", WaveletEncoder)
test_conformance_of_three_levels = conformance("encoder", WaveletEncoder, options={"widths": [6, 7, 8], "blocks": 1})
