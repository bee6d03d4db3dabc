"""What the rules mean, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS: Mapping[str, Mapping[Any, str]] = {
    "colour": {"y": "PSNR and SSIM on luma", "rgb": "PSNR and SSIM on RGB"},
    "channel_order": {"rgb": "luma of R, G and B in that order", "bgr": "R and B swapped before luma"},
    "luma": {"bt601-studio": "BT.601 studio-range luma", "bt601-full": "full-range luma (YIQ, cv2, PIL)"},
    "luma_rounding": {
        "none": "luma not rounded",
        "uint8": "luma rounded",
        "uint8-in-ssim": "luma rounded for SSIM alone",
    },
    "sr_rounding": {"uint8": "SR rounded to uint8", "none": "SR not rounded to uint8"},
    "gray": {
        "full-range": "single-channel files scored as they are",
        "through-luma": "single-channel files scored as RGB files",
    },
    "mod_crop": {"scale": "HR cropped to multiples of the scale"},
    "ssim_range": {"data-range": "SSIM for that range", "measured": "SSIM for the range that each image spans"},
    "ssim_covariance": {"population": "population covariance", "sample": "sample covariance"},
    "ssim_edge": {
        "valid": "SSIM's window inside the image",
        "mirrored": "SSIM's window at every pixel of the mirrored image",
    },
    "ssim_structure": {"signed": "SSIM below 0 allowed", "clipped": "SSIM below 0 taken for 0"},
    "lr_psnr": {"rgb-uint8": "LR-PSNR on uint8 RGB without crop", "luma": "LR-PSNR on luma without crop or rounding"},
    "degradation": {
        "matlab-bicubic": "LR, unless given, by MATLAB's bicubic on uint8",
        "matlab-y": "luma alone shrunk by MATLAB's bicubic and enlarged, neither rounded",
        "cv2-cubic": "LR by cv2's cubic, not antialiased",
    },
    "degradation_edge": {
        "clamp": "clamped edges as in older MATLAB",
        "symmetric": "symmetric edges as in newer MATLAB",
    },
    "aggregation": {
        "mean-of-images": "mean over images",
        "mean-of-errors": "PSNR of the mean of the images' squared errors",
        "pooled": "PSNR of the squared error of all pixels of all images",
    },
}

_LUMA_ONLY = ("luma", "luma_rounding", "channel_order")
_UNSAID_IF_USUAL: Mapping[str, Any] = {
    "channel_order": "rgb",
    "psnr_epsilon": 0.0,
    "ssim_range": "data-range",
    "ssim_structure": "signed",
}


def describe_rules(rules: Mapping[str, Any]) -> str:
    """All rules that a reader must know, between commas."""
    said = [rule for rule in _in_force(rules) if rules[rule] != _UNSAID_IF_USUAL.get(rule)]
    return ", ".join(_phrases(said, rules))


def name_changes(rules: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """What is otherwise than in a base, between semicolons; nothing that has no effect on the scores."""
    changed = [rule for rule in _in_force(rules) if rules[rule] != base[rule]]
    return "; ".join(_phrases(changed, rules))


def _in_force(rules: Mapping[str, Any]) -> list[str]:
    """All rules but those of luma where images are compared on something else."""
    return [rule for rule in rules if rules["colour"] == "y" or rule not in _LUMA_ONLY]


def _phrases(chosen: list[str], rules: Mapping[str, Any]) -> list[str]:
    return [text for text in dict.fromkeys(_phrase(rule, rules) for rule in chosen) if text]


def _phrase(rule: str, rules: Mapping[str, Any]) -> str:
    """What one rule says; nothing where another rule says it or it is no rule of measurement."""
    value = rules[rule]
    if rule in _WORDS:
        return _WORDS[rule][value]
    if rule == "border":
        return "no border cropped" if value == 0 else f"a border of {_pixels(value)} cropped"
    if rule == "data_range":
        return f"range {value:g}"
    if rule == "psnr_epsilon":
        return f"{value:g} added to the squared error"
    if rule in ("ssim_weights", "ssim_window", "ssim_sigma"):
        return _window(rules) if rule == "ssim_window" or rules["ssim_weights"] == "gaussian" else ""
    return ""


def _pixels(border: str | int) -> str:
    return "`scale` pixels" if border == "scale" else f"{border} pixels" if border != 1 else "1 pixel"


def _window(rules: Mapping[str, Any]) -> str:
    side = f"{rules['ssim_window']}x{rules['ssim_window']}"
    if rules["ssim_weights"] == "uniform":
        return f"SSIM with a uniform {side} window"
    return f"SSIM with a Gaussian {side} window of sigma {rules['ssim_sigma']:g}"
