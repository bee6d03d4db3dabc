"""The rules under which a number was measured, as a value with a hash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

from srzoo.errors import UsageError


@dataclass(frozen=True)
class Protocol:
    """Every rule that changes a score. Scores under different hashes must never be ranked together."""

    name: str
    """What the protocol is called on the command line."""

    version: int
    """Raised with every change of a rule or of what a rule means."""

    luma: Literal["bt601-studio"] = "bt601-studio"
    """What PSNR and SSIM of a colour image are taken on: Y = (65.481 R + 128.553 G + 24.966 B) / 255 + 16."""

    luma_rounding: Literal["none"] = "none"
    """Luma stays unrounded."""

    sr_rounding: Literal["uint8"] = "uint8"
    """SR is clamped and rounded to uint8 before anything is measured."""

    gray: Literal["full-range"] = "full-range"
    """A single-channel image is scored as it is, range [0, 255], never through RGB to luma."""

    gray_input: Literal["three-equal-channels-then-mean"] = "three-equal-channels-then-mean"
    """How a single-channel LR is fed, and its SR reduced to one channel (the rounded mean)."""

    mod_crop: Literal["scale"] = "scale"
    """HR is cropped at the right and the bottom to a multiple of this."""

    border: Literal["scale"] = "scale"
    """HR pixels cropped at each side before PSNR and SSIM."""

    data_range: float = 255.0
    """Distance of black from white in PSNR and SSIM."""

    ssim_window: int = 11
    """Side of SSIM's Gaussian window in pixels; only positions wholly inside the image count."""

    ssim_sigma: float = 1.5
    """Standard deviation of SSIM's window in pixels; covariances are those of the population."""

    lr_psnr: Literal["rgb-uint8"] = "rgb-uint8"
    """LR-PSNR compares shrunk SR, rounded to uint8, with LR: all channels, no border cropped."""

    degradation: Literal["matlab-bicubic"] = "matlab-bicubic"
    """How LR is made where none is given, and how SR is shrunk for LR-PSNR: antialiased, uint8 after each pass."""

    degradation_edge: Literal["clamp", "symmetric"] = "symmetric"
    """Edge rule of that bicubic: newer MATLAB mirrors, older MATLAB clamped."""

    aggregation: Literal["mean-of-images"] = "mean-of-images"
    """A set's score is the arithmetic mean of its images' scores; an infinite score makes it infinite."""

    def to_dict(self) -> dict[str, Any]:
        """All rules as plain JSON values."""
        return asdict(self)

    @cached_property
    def hash(self) -> str:
        """First 12 hexadecimal digits of the sha256 of the canonical JSON of all rules."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return sha256(canonical.encode()).hexdigest()[:12]

    def describe(self) -> str:
        """All that a reader must know to compare a number, in one sentence."""
        return (
            f"{self.name} v{self.version} ({self.hash}): PSNR and SSIM on unrounded BT.601 studio-range luma of uint8 "
            f"images (single-channel images as they are), range {self.data_range:g}, a border of `{self.border}` "
            f"pixels cropped, SSIM with an {self.ssim_window}x{self.ssim_window} Gaussian window of sigma "
            f"{self.ssim_sigma:g} in the valid region, mean over images; LR-PSNR on uint8 RGB without crop; "
            f"LR, unless given, by MATLAB's bicubic with {self.degradation_edge} edges from HR cropped to "
            f"multiples of the scale."
        )


CLASSIC = Protocol(name="classic", version=1)
"""How the papers since SRCNN measure on Set5, Set14 and BSD100."""

_PROTOCOLS = {protocol.name: protocol for protocol in (CLASSIC,)}


def get_protocol(name: str) -> Protocol:
    """Find a protocol by name.

    Raises:
        UsageError: If there is none; the message lists the known ones.
    """
    if name in _PROTOCOLS:
        return _PROTOCOLS[name]
    close = get_close_matches(name, _PROTOCOLS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UsageError(f"unknown protocol {name!r}; {hint}known: {', '.join(_PROTOCOLS)}")
