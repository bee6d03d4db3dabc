"""The usual departures from a protocol, one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from srzoo.protocol.known import variant
from srzoo.protocol.rules import Protocol
from srzoo.protocol.words import name_changes

_SLIPS: tuple[Mapping[str, Any], ...] = (
    {"colour": "rgb"},
    {"colour": "y"},
    {"luma": "bt601-full"},
    {"luma": "bt601-studio"},
    {"channel_order": "bgr"},
    {"border": "scale"},
    {"border": 0},
    {"border": 10},
    {"sr_rounding": "none"},
    {"luma_rounding": "uint8"},
    {"aggregation": "mean-of-images"},
    {"aggregation": "mean-of-errors"},
    {"aggregation": "pooled"},
    {"ssim_weights": "uniform", "ssim_window": 7, "ssim_covariance": "sample"},
    {"ssim_edge": "mirrored"},
    {"ssim_edge": "mirrored", "ssim_range": "measured"},
    {"degradation": "cv2-cubic"},
)


class Slip(NamedTuple):
    """One departure from a protocol."""

    change: str
    """What is otherwise, in words."""

    protocol: Protocol
    """The rules with it."""


def slips(base: Protocol) -> list[Slip]:
    """Each usual departure from a protocol; those that it makes itself, or that have no effect on it, are left out.

    The last is the other rule for single-channel files.
    """
    gray = "through-luma" if base.gray == "full-range" else "full-range"
    rules = base.to_dict()
    possible = [changes for changes in (*_SLIPS, {"gray": gray}) if _possible(base, changes)]
    varied = [variant(base, changes) for changes in possible]
    found = [Slip(name_changes(each.to_dict(), rules), each) for each in varied]
    return [slip for slip in found if slip.change]


def _possible(base: Protocol, changes: Mapping[str, Any]) -> bool:
    return base.degradation != "matlab-y" or not {"colour", "degradation"} & changes.keys()
