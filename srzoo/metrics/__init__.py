"""What is measured: PSNR, SSIM and consistency with the LR image, on plain arrays."""

from srzoo.metrics.luma import luma
from srzoo.metrics.psnr import lr_psnr, psnr
from srzoo.metrics.ssim import ssim

__all__ = ["lr_psnr", "luma", "psnr", "ssim"]
