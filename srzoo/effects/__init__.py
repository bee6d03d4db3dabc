"""What degradations are made of: blur kernels, noise and JPEG, on (N, C, H, W) float images in [0, 1].

All chance comes from a NumPy generator on the CPU, so that every device sees the same.
"""

from srzoo.effects.chance import PositiveRange, QualityRange, Range, Share, between, happens, pick
from srzoo.effects.jpeg import compress
from srzoo.effects.kernels import Blur, Shape, Weights, bell_kernel, filter_image, random_sinc, sinc_kernel
from srzoo.effects.noise import gaussian_noise, poisson_noise

__all__ = [
    "Blur",
    "PositiveRange",
    "QualityRange",
    "Range",
    "Shape",
    "Share",
    "Weights",
    "bell_kernel",
    "between",
    "compress",
    "filter_image",
    "gaussian_noise",
    "happens",
    "pick",
    "poisson_noise",
    "random_sinc",
    "sinc_kernel",
]
