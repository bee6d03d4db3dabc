"""Every rule of measurement, what it may be, and the hash of all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache, cached_property
from hashlib import sha256
from math import isfinite
from typing import Any, Literal, get_args, get_origin, get_type_hints

from srzoo.errors import UsageError
from srzoo.protocol.words import describe_rules

_NUMBERS: Mapping[str, tuple[str, float]] = {
    "border": ("a whole number of pixels from 0", 0),
    "data_range": ("a number above 0", 1e-9),
    "psnr_epsilon": ("a number from 0", 0),
    "ssim_window": ("an odd whole number from 3", 3),
    "ssim_sigma": ("a number above 0", 1e-9),
}
"""What the rules that are numbers may be, in words, and the least of them."""


def _later(usual: Any) -> Any:
    """A rule that was written down when results had already been stored: they all followed the usual one.

    It enters the hash where it departs from that, so that the results keep their hash and stay valid.
    """
    return field(default=usual, metadata={"later": True})


@dataclass(frozen=True)
class Protocol:
    """Every rule that changes a score. Scores under different hashes must never be ranked together.

    Raises:
        UsageError: A rule is none of those that are known.
    """

    name: str
    """What the protocol is called on the command line."""

    version: int
    """Raised with every change of a rule or of what a rule means."""

    colour: Literal["y", "rgb"] = _later("y")
    """What a colour image is compared on: luma, or its three channels. SSIM of three channels is their mean."""

    channel_order: Literal["rgb", "bgr"] = _later("rgb")
    """How luma reads the channels; ``bgr`` gives blue the weight of red, as where OpenCV's BGR is taken for RGB."""

    luma: Literal["bt601-studio", "bt601-full"] = "bt601-studio"
    """Studio range: Y = (65.481 R + 128.553 G + 24.966 B) / 255 + 16. Full range: Y = 0.299 R + 0.587 G + 0.114 B."""

    luma_rounding: Literal["none", "uint8", "uint8-in-ssim"] = "none"
    """Whether luma is rounded to whole levels: never, always, or for SSIM alone."""

    sr_rounding: Literal["uint8", "none"] = "uint8"
    """Whether SR is clamped and rounded to uint8 before anything is measured; else it is clamped alone."""

    gray: Literal["full-range", "through-luma"] = "full-range"
    """A single-channel HR file is scored as it is, range [0, 255], or as a colour image of three equal channels.

    An RGB file with equal channels is a colour image.
    """

    gray_input: Literal["three-equal-channels-then-mean"] = "three-equal-channels-then-mean"
    """How a single-channel LR is fed, and, where it is scored as it is, SR made one channel again: the rounded mean."""

    mod_crop: Literal["scale"] = "scale"
    """HR is cropped at the right and the bottom to a multiple of this."""

    border: Literal["scale"] | int = "scale"
    """HR pixels cropped at each side before PSNR and SSIM."""

    data_range: float = 255.0
    """Distance of black from white in PSNR and SSIM."""

    psnr_epsilon: float = _later(0.0)
    """Added to the mean squared error of an image, in squares of ``data_range``; 1e-8 caps PSNR at 80 dB."""

    ssim_weights: Literal["gaussian", "uniform"] = _later("gaussian")
    """Weights of SSIM's window."""

    ssim_window: int = 11
    """Side of SSIM's window in pixels."""

    ssim_sigma: float = 1.5
    """Standard deviation of SSIM's Gaussian window in pixels; a uniform window has none."""

    ssim_covariance: Literal["population", "sample"] = _later("population")
    """Whether the window's variances divide by its number of pixels n, or by n - 1."""

    ssim_edge: Literal["valid", "mirrored"] = _later("valid")
    """Whether SSIM's window stays inside the image, or is centred on every pixel of an image mirrored at its border."""

    ssim_structure: Literal["signed", "clipped"] = _later("signed")
    """Whether a negative covariance lowers SSIM below 0 at its position, or counts as 0."""

    ssim_range: Literal["data-range", "measured"] = _later("data-range")
    """SSIM's own distance of black from white: ``data_range``, or the larger spread of values of the two images."""

    lr_psnr: Literal["rgb-uint8", "luma"] = "rgb-uint8"
    """LR-PSNR compares shrunk SR, rounded to uint8, with LR: all channels, no border cropped. Or luma, not rounded."""

    degradation: Literal["matlab-bicubic", "matlab-y", "cv2-cubic"] = "matlab-bicubic"
    """How LR is made.

    ``matlab-bicubic`` is used where no LR is given: antialiased, uint8 after each pass. The others make LR always:
    ``matlab-y`` shrinks luma by the same bicubic without rounding and feeds it to the model as three equal channels;
    ``cv2-cubic`` is OpenCV's, without antialiasing.
    """

    degradation_edge: Literal["clamp", "symmetric"] = "symmetric"
    """Edge rule of MATLAB's bicubic: newer MATLAB mirrors, older MATLAB clamped."""

    aggregation: Literal["mean-of-images", "mean-of-errors", "pooled"] = "mean-of-images"
    """A set's score is the arithmetic mean of its images' scores; an infinite score makes it infinite.

    PSNR may instead be that of the mean of the images' mean squared errors, or of the squared error of all pixels.
    """

    metric_versions: Literal["psnr=1 ssim=1 lr_psnr=1"] = _later("psnr=1 ssim=1 lr_psnr=1")
    """Raised when the same rules begin to give another number."""

    def __post_init__(self) -> None:
        for rule in RULES:
            value = getattr(self, rule)
            if not _fits(rule, value):
                raise UsageError(f"protocol rule {rule} cannot be {value!r}: it is {allowed(rule)}")
            if _hints()[rule] is float:  # 255 and 255.0 are one rule, and so have one hash
                object.__setattr__(self, rule, float(value))
        if self.degradation == "matlab-y" and self.colour == "rgb":
            raise UsageError("protocol rule colour cannot be 'rgb' where degradation is matlab-y: there is luma alone")

    def to_dict(self) -> dict[str, Any]:
        """All rules as plain JSON values."""
        return asdict(self)

    @cached_property
    def hash(self) -> str:
        """First 12 hexadecimal digits of the sha256 of the canonical JSON of the rules.

        A rule that was written down later than others counts where it is not what all had followed until then.
        """
        counted = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if not each.metadata.get("later") or getattr(self, each.name) != each.default
        }
        canonical = json.dumps(counted, sort_keys=True, separators=(",", ":"))
        return sha256(canonical.encode()).hexdigest()[:12]

    @property
    def own_metrics(self) -> tuple[str, str, str]:
        """Names of PSNR and SSIM on what this protocol compares, and of LR-PSNR."""
        return f"psnr_{self.colour}", f"ssim_{self.colour}", "lr_psnr"

    def describe(self) -> str:
        """All that a reader must know to compare a number, in one sentence."""
        return f"{self.name} v{self.version} ({self.hash}): {describe_rules(self.to_dict())}."


RULES = tuple(each.name for each in fields(Protocol) if each.name not in ("name", "version"))
"""Names of all rules."""


def allowed(rule: str) -> str:
    """What a rule may be, in words."""
    words = [*map(str, _choices(rule)), *(_NUMBERS[rule][:1] if rule in _NUMBERS else ())]
    return " or ".join(words)


def read_value(rule: str, text: str) -> Any:
    """The value of a rule from text, checked by `Protocol` only: ``"4"`` is 4 where the rule may be a number."""
    if text in _choices(rule) or rule not in _NUMBERS:
        return text
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _fits(rule: str, value: Any) -> bool:
    if isinstance(value, str):
        return value in _choices(rule)
    if rule not in _NUMBERS or not isinstance(value, float | int if _hints()[rule] is float else int):
        return False
    return isfinite(value) and value >= _NUMBERS[rule][1] and (rule != "ssim_window" or value % 2 == 1)


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Protocol)


@cache
def _choices(rule: str) -> tuple[str, ...]:
    hint = _hints()[rule]
    parts = (hint,) if get_origin(hint) is Literal else get_args(hint)
    return tuple(choice for part in parts if get_origin(part) is Literal for choice in get_args(part))
