"""The transform is the Haar transform, and the encoder does what it declares."""

import torch
from srzoo_wavelet.encoder import WaveletEncoder, haar

from srzoo.options import describe
from srzoo.spec import Spec


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


def test_maps_are_what_the_encoder_declares() -> None:
    encoder = WaveletEncoder(Spec(5), widths=(6, 7, 8), blocks=1)
    maps = encoder(torch.rand(2, 5, 8, 24))
    assert encoder.multiple_of == 8
    assert [tuple(each.shape) for each in maps] == [(2, s.channels, *s.size(8, 24)) for s in encoder.out_specs]
    sum(each.sum() for each in maps).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in encoder.parameters())


def test_options_are_described() -> None:
    assert [option.name for option in describe(WaveletEncoder)] == ["widths", "blocks"]
