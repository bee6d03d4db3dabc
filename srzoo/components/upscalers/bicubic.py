"""Cubic convolution."""

from srzoo.layers import ResizeUpscaler


class BicubicUpscaler(ResizeUpscaler):
    """Cubic convolution over 4x4 pixels, the baseline of the literature.

    Source: Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981 (a = -0.5, as in
    MATLAB's imresize).
    """

    kernel = "bicubic"
