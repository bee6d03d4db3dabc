"""Which arithmetic a device does at full speed."""

from __future__ import annotations

import platform
from typing import Literal

import torch

from srzoo.train.recipe import Precision

FABRIC: dict[Precision, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "float32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}
"""What Lightning Fabric calls each precision; ``fp16`` comes with a gradient scaler."""


def usable_precision(wanted: Precision, device: torch.device) -> Precision:
    """``wanted``, or what comes nearest to it at full speed.

    Float16 needs a GPU, and gives way to bfloat16; bfloat16 gives way to float32 where the device would only imitate
    it, some ten times slower.

    Args:
        wanted: Arithmetic that the recipe asks for.
        device: Where the network runs.
    """
    if wanted == "fp16" and device.type == "cpu":
        wanted = "bf16"
    return "float32" if wanted == "bf16" and not _computes_bfloat16(device) else wanted


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    if platform.machine() in ("x86_64", "AMD64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
