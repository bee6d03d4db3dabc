"""The rules under which a number was measured, as a value with a hash."""

from srzoo.protocol.known import (
    BASICSR_RGB,
    CLASSIC,
    MATLAB_Y,
    PROTOCOLS,
    PYIQA,
    SKIMAGE,
    TORCHMETRICS,
    get_protocol,
)
from srzoo.protocol.rules import Protocol
from srzoo.protocol.slips import Slip, slips

__all__ = [
    "BASICSR_RGB",
    "CLASSIC",
    "MATLAB_Y",
    "PROTOCOLS",
    "PYIQA",
    "SKIMAGE",
    "TORCHMETRICS",
    "Protocol",
    "Slip",
    "get_protocol",
    "slips",
]
