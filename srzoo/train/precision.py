"""Which arithmetic a device does at full speed."""

from __future__ import annotations

import platform

import torch


def usable_precision(wanted: str, device: torch.device) -> str:
    """``wanted``, or ``float32`` where the device would only imitate bfloat16, some ten times slower.

    Args:
        wanted: ``float32`` or ``bf16``.
        device: Where the network runs.
    """
    return wanted if wanted == "float32" or _computes_bfloat16(device) else "float32"


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    if platform.machine() in ("x86_64", "AMD64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
