"""The sample photos, enlarged by bicubic, as metrics and losses take them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from srzoo.data.pairs import ImagePair, sample_pairs
from srzoo.metrics import luma
from srzoo.resize import imresize

PAIRS = {pair.name: pair for pair in sample_pairs(4)}


def bicubic(pair: ImagePair) -> np.ndarray:
    """SR of a pair at x4."""
    return imresize(pair.lr, scale=4)


def gray(image: np.ndarray) -> np.ndarray:
    """Luma, rounded."""
    return np.rint(luma(image)).astype(np.uint8)


def noisy(image: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    """An image with normal noise on it, rounded."""
    noise = np.random.default_rng(seed).normal(0, deviation, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def unit(image: np.ndarray) -> Tensor:
    """A batch of one image, from 0 to 1."""
    return torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]


def photos(height: int = 40, width: int = 48) -> tuple[Tensor, Tensor, Tensor]:
    """Two crops of photos: SR by bicubic, HR and LR."""
    chosen = sample_pairs(4)[:2]
    hr = [pair.hr[80 : 80 + height, 100 : 100 + width] for pair in chosen]
    lr = [imresize(each, scale=0.25) for each in hr]
    sr = [imresize(each, scale=4) for each in lr]
    return tuple(torch.from_numpy(np.stack(each) / 255).float().permute(0, 3, 1, 2) for each in (sr, hr, lr))  # type: ignore[return-value]
