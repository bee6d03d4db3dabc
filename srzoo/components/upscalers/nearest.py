"""Pixel repetition."""

from srzoo.layers import ResizeUpscaler


class NearestUpscaler(ResizeUpscaler):
    """Repeats each pixel.

    Source: the definition; exact for every scale.
    """

    kernel = "nearest"
