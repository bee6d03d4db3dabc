"""Which metrics are measured, each by whoever measures it: the protocol's own rules, or the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from srzoo.errors import UsageError
from srzoo.messages import suggestion
from srzoo.metrics.catalogue import (
    METRICS,
    ImageMeasurer,
    Measurer,
    Metric,
    SamplesMeasurer,
    SetMeasurer,
    note_of,
)
from srzoo.protocol import Protocol

if TYPE_CHECKING:
    import torch


class OwnMetric(NamedTuple):
    """A metric whose rules are the protocol's."""

    summary: str
    """What it measures, in one line."""

    unit: str
    """Unit of its numbers; empty where they have none."""


OWN_METRICS: Mapping[str, OwnMetric] = MappingProxyType(
    {
        "psnr_y": OwnMetric("peak signal-to-noise ratio on luma", "dB"),
        "ssim_y": OwnMetric("structural similarity on luma", ""),
        "psnr_rgb": OwnMetric("peak signal-to-noise ratio on RGB", "dB"),
        "ssim_rgb": OwnMetric("structural similarity on RGB, mean of the channels", ""),
        "lr_psnr": OwnMetric("PSNR of shrunk SR against LR: does it agree with what was given?", "dB"),
    }
)
"""The protocol's own metrics by name; for all of them higher is better."""


@dataclass(frozen=True)
class Plan:
    """The metrics of one evaluation, started."""

    names: tuple[str, ...]
    """All of them in the order asked for."""

    own: tuple[str, ...]
    """Those of `OWN_METRICS`."""

    image: Mapping[str, ImageMeasurer]
    """Those of the catalogue that look at one image."""

    sets: Mapping[str, SetMeasurer]
    """Those that look at all images together."""

    samples: Mapping[str, SamplesMeasurer]
    """Those that look at all samples drawn for an image."""

    def notes(self) -> tuple[str, ...]:
        """What must stand beside the numbers, asked for after the last image."""
        measurers: tuple[Measurer, ...] = (*self.image.values(), *self.sets.values(), *self.samples.values())
        return tuple(note for measurer in measurers if (note := note_of(measurer)))


def plan(
    names: Sequence[str] | None, protocol: Protocol, *, samples: int = 1, device: torch.device | str = "cpu"
) -> Plan:
    """Look metrics up and start them.

    Args:
        names: Names of `OWN_METRICS` or of the catalogue; None for the protocol's own three.
        protocol: The rules.
        samples: How many samples of each image there will be.
        device: Where metrics with a network compute.

    Raises:
        UsageError: A metric does not exist, is named twice, needs more samples or cannot be had under the protocol.
        FetchError: A file that a metric needs is not at hand.
    """
    chosen = tuple(protocol.own_metrics if names is None else names)
    if not chosen:
        raise UsageError("there is no metric to measure: name one, see: srzoo eval --list-metrics")
    found = {name: _find(name) for name in chosen}
    if len(found) < len(chosen):
        raise UsageError(f"a metric is named twice in {','.join(chosen)}: name each once")
    if protocol.degradation == "matlab-y" and any(name.endswith("_rgb") for name in chosen):
        raise UsageError(f"protocol {protocol.name} has luma alone: leave out psnr_rgb and ssim_rgb")
    own = tuple(name for name in chosen if name in OWN_METRICS)
    others = [metric for metric in found.values() if metric is not None]
    if samples < 2 and any(metric.level == "samples" for metric in others):
        several = next(metric.name for metric in others if metric.level == "samples")
        raise UsageError(f"{several} compares samples of one image: draw at least two, such as --samples 10")
    started: dict[str, dict[str, Any]] = {"image": {}, "set": {}, "samples": {}}
    for metric in others:
        started[metric.level][metric.name] = metric.start(device)
    return Plan(chosen, own, started["image"], started["set"], started["samples"])


def plan_alone(names: Sequence[str] | None, device: torch.device | str = "cpu") -> Plan:
    """As `plan`, for images without HR.

    Raises:
        UsageError: No metric is named, or one needs HR.
    """
    free = ", ".join(metric.name for metric in METRICS.values() if metric.level == "image" and not metric.needs_hr)
    if names is None:
        raise UsageError(f"finished images are compared with HR: give --data, or --metrics {free}, which needs none")
    for name in names:
        metric = _find(name)
        if metric is None or metric.needs_hr or metric.level != "image":
            raise UsageError(f"{name} compares with HR: give --data; without HR there is {free}")
    return Plan(tuple(names), (), {name: METRICS[name].start(device) for name in names}, {}, {})


def _find(name: str) -> Metric | None:
    """The catalogue's metric of that name, or None for one of the protocol's own."""
    known = [*OWN_METRICS, *METRICS]
    if name not in known:
        listed = ", ".join(known)
        raise UsageError(f"there is no metric {name!r}{suggestion(name, known)}: known are {listed}")
    return METRICS.get(name)
