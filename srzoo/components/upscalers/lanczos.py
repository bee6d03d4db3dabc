"""Windowed sinc."""

from srzoo.layers import ResizeUpscaler


class LanczosUpscaler(ResizeUpscaler):
    """Lanczos filter with three lobes over 6x6 pixels.

    Source: Duchon, "Lanczos Filtering in One and Two Dimensions", Journal of Applied Meteorology 1979.
    """

    kernel = "lanczos3"
