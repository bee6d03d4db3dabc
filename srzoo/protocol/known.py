"""The protocols that have a name, and how variants of them are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from srzoo.errors import UsageError
from srzoo.messages import suggestion
from srzoo.protocol.rules import RULES, Protocol, read_value

CLASSIC = Protocol(name="classic", version=1)
"""How the papers since SRCNN measure networks on Set5, Set14 and BSD100."""

MATLAB_Y = Protocol(name="matlab-y", version=1, luma_rounding="uint8", lr_psnr="luma", degradation="matlab-y")
"""How the rows of bicubic in those papers were made: only luma exists, shrunk and enlarged as doubles, then rounded."""

BASICSR_RGB = Protocol(name="basicsr-rgb", version=1, colour="rgb", gray="through-luma")
"""What BasicSR prints for PSNR and SSIM unless a configuration asks for luma."""

PYIQA = Protocol(
    name="pyiqa",
    version=1,
    luma="bt601-full",
    luma_rounding="uint8-in-ssim",
    gray="through-luma",
    border=0,
    psnr_epsilon=1e-8,
    ssim_structure="clipped",
)
"""What pyiqa prints for ``psnry`` and ``ssim``; ``pyiqa,colour=rgb`` is its ``psnr`` and ``ssimc``."""

TORCHMETRICS = Protocol(
    name="torchmetrics",
    version=1,
    colour="rgb",
    gray="through-luma",
    border=0,
    ssim_range="measured",
    ssim_edge="mirrored",
    aggregation="pooled",
)
"""What torchmetrics' two classes give for RGB images in [0, 1], one a batch, with nothing set but PSNR's range of 1."""

SKIMAGE = Protocol(
    name="skimage",
    version=1,
    colour="rgb",
    border=0,
    ssim_weights="uniform",
    ssim_window=7,
    ssim_covariance="sample",
)
"""What scikit-image's two functions give for uint8 images as ``skimage.io`` reads them; gray ones stay gray."""

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {each.name: each for each in (CLASSIC, MATLAB_Y, BASICSR_RGB, PYIQA, TORCHMETRICS, SKIMAGE)}
)
"""All named protocols."""


def get_protocol(text: str) -> Protocol:
    """Find a protocol by name, with other rules where some are given.

    ``classic,border=0,gray=through-luma`` is ``classic`` but for two rules. A variant is named by what it changes, in
    the order of the rules, so that one set of rules has one name and one hash; one that changes nothing is the named
    protocol itself.

    Raises:
        UsageError: The name, a rule or its value is unknown; the message lists the known ones.
    """
    name, *changes = text.split(",")
    if name not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise UsageError(f"unknown protocol {name!r}{suggestion(name, PROTOCOLS)}: known: {known}")
    given: dict[str, Any] = {}
    for change in changes:
        rule, equals, value = change.partition("=")
        if rule not in RULES:
            known = ", ".join(RULES)
            raise UsageError(f"protocol {text}: unknown rule {rule!r}{suggestion(rule, RULES)}: known: {known}")
        if not equals or rule in given:
            raise UsageError(f"protocol {text}: write each rule once, as {name},{rule}=VALUE")
        given[rule] = read_value(rule, value)
    return variant(PROTOCOLS[name], given)


def variant(base: Protocol, changes: Mapping[str, Any]) -> Protocol:
    """A protocol but for some rules, named by what they change.

    Raises:
        UsageError: A value is not valid.
    """
    changed = replace(base, **changes)
    root = PROTOCOLS.get(base.name.partition(",")[0], base)
    differences = [rule for rule in RULES if getattr(changed, rule) != getattr(root, rule)]
    if not differences:
        return root
    return replace(changed, name=",".join([root.name, *(f"{rule}={_text(changed, rule)}" for rule in differences)]))


def _text(protocol: Protocol, rule: str) -> str:
    value = getattr(protocol, rule)
    return f"{value:g}" if isinstance(value, float) else str(value)
