"""What is measured, on plain arrays: the protocol's own PSNR, SSIM and LR-PSNR, and the catalogue of all others."""

from srzoo.metrics.catalogue import METRICS, Metric, get_metric, note_of
from srzoo.metrics.luma import luma
from srzoo.metrics.psnr import lr_psnr, psnr
from srzoo.metrics.ssim import ssim

__all__ = ["METRICS", "Metric", "get_metric", "lr_psnr", "luma", "note_of", "psnr", "ssim"]
