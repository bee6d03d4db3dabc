"""Distance of power spectra: is texture there at all?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from srzoo.metrics.inputs import Pixels, luma_of, reference

FloatArray = NDArray[np.float64]

SMALLEST = 16
"""Height and width, in pixels, that give eight rings."""

_ROUNDING_NOISE = 1 / 12
"""Power of the noise that rounding to whole numbers adds; what is weaker is not in the image."""


def radial_spectrum(image: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Radially averaged power spectrum of an image in decibels.

    With the mean taken off and a Hann window w applied, so that the image's borders do not pass for detail,
    P(u, v) = |F(u, v)|^2 / sum(w^2). White noise of variance s^2 has P = s^2 everywhere. P is averaged over rings of
    equal width between the frequencies 0 and 1/2 per pixel, one ring for each two pixels of the shorter side; then
    10 log10(P + 1/12), where 1/12 is the power of rounding to whole levels.

    Args:
        image: (H, W) in levels from 0 to 255.

    Returns:
        The rings' middle frequencies in cycles per pixel, and their power in dB relative to one squared level.
    """
    height, width = image.shape
    window = np.outer(*(np.hanning(length + 2)[1:-1] for length in image.shape))
    transform = np.fft.rfft2((image - image.mean()) * window)
    power = np.square(transform.real) + np.square(transform.imag)
    # Of a real image half the spectrum is computed; the other half mirrors it.
    counts = np.full(power.shape[1], 2.0)
    counts[0] = 1
    if width % 2 == 0:
        counts[-1] = 1
    rings = min(height, width) // 2
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    ring = np.ceil(2 * rings * radius).astype(int) - 1
    inside = (ring >= 0) & (ring < rings)
    weights = np.broadcast_to(counts, power.shape)[inside]
    total = np.bincount(ring[inside], weights * power[inside], rings)
    average = total / np.bincount(ring[inside], weights, rings) / np.square(window).sum()
    return (np.arange(rings) + 0.5) / (2 * rings), 10 * np.log10(average + _ROUNDING_NOISE)


def spectrum_distance(first: FloatArray, second: FloatArray) -> float:
    """Root mean square difference in dB of two images' `radial_spectrum`, over rings; 0 for equal images.

    Args:
        first: (H, W) in levels from 0 to 255.
        second: The same shape.
    """
    return float(np.sqrt(np.mean(np.square(radial_spectrum(first)[1] - radial_spectrum(second)[1]))))


def measure_spectrum(sr: Pixels, hr: Pixels | None, lr: Pixels | None = None) -> float:
    """`spectrum_distance` of luma.

    It needs no weights and no alignment: it sees how much detail there is at each scale, not where. A blurred image and
    one with too much noise both score badly. The average over rings is that of Durall, Keuper and Keuper, "Watch Your
    Up-Convolution", CVPR 2020.

    See `srzoo.metrics.catalogue.ImageMeasurer`.
    """
    hr = reference("spectrum", sr, hr, SMALLEST)
    return spectrum_distance(luma_of(sr), luma_of(hr))
