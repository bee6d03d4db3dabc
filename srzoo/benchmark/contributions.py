"""What each part of a network contributes: ablations against the ground, which was trained in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srzoo.benchmark.identity import network_config
from srzoo.benchmark.store import Result

GROUNDS = ("compact", "reference", "large")
"""Models that ablations are held against: the first of them that is on the board."""

VARIANTS = ("-fidelity", "-perceptual")
"""Endings of names of models that share a ground's network, and were trained otherwise."""

PREFIX = "ablation-"
"""Beginning of an ablation's name."""


@dataclass(frozen=True)
class Contribution:
    """What a change of one thing did to the scores."""

    ablation: str
    """Name of the changed model."""

    baseline: str | None
    """Name of the model that differs in nothing else, or None where none is on the board."""

    change: str
    """What its file says is different, ``key: before → after``."""

    psnr_y: float | None
    """PSNR of the ablation less that of the baseline, in dB: below zero, the part helps."""

    ssim_y: float | None
    """The same for SSIM."""


def contributions(qualities: Sequence[Result]) -> tuple[Contribution, ...]:
    """Compare ablations and variants among results of quality with what they are held against.

    A changed network is held against a model of the same training: the ground itself, or its variant. A changed
    training is held against the ground. Self-ensembles are left out: what they gain is not the part's.
    """
    named = {result.model: result for result in qualities if "self_ensemble" not in result.values["config"]}
    grounds = [name for name in GROUNDS if name in named]
    held = {f"{ground}{ending}": ground for ground in grounds for ending in VARIANTS}
    held |= {name: ground for ground in grounds[:1] for name in named if name.startswith(PREFIX)}
    return tuple(_contribution(named[name], held[name], named) for name in sorted(held) if name in named)


def _contribution(ablation: Result, ground: str, named: Mapping[str, Result]) -> Contribution:
    reference = named[ground]
    network = list(_differences(_network(reference), _network(ablation)))
    training = list(_differences(_training(reference), _training(ablation)))
    if not network:
        return _compared(ablation, reference, "; ".join(training) or "nothing")
    change = "; ".join(network)
    same = [name for name in (ground, *(f"{ground}{ending}" for ending in VARIANTS)) if name in named]
    for baseline in map(named.__getitem__, same):
        if _training(baseline) == _training(ablation) and _network(baseline) == _network(reference):
            return _compared(ablation, baseline, change)
    return Contribution(ablation.model, None, f"{change}; training differs, too: {'; '.join(training)}", None, None)


def _compared(ablation: Result, baseline: Result, change: str) -> Contribution:
    after, before = ablation.values["mean"], baseline.values["mean"]
    deltas = (float(after[metric]) - float(before[metric]) for metric in ("psnr_y", "ssim_y"))
    return Contribution(ablation.model, baseline.model, change, *deltas)


def _network(result: Result) -> dict[str, Any]:
    return network_config(result.values["config"])


def _training(result: Result) -> dict[str, Any]:
    """What of a file's account of its training could change the weights, but for the network."""
    training = result.values["training"] or {}
    recipe = training.get("recipe") or {}
    ignored = ("preset", "model", "validate_every", "save_every", "log_every", "stages")
    stages = {stage["name"]: stage for stage in recipe.get("stages", ()) if stage["name"] in training.get("stages", ())}
    kept = {key: value for key, value in recipe.items() if key not in ignored}
    return _filled({**kept, "photos": training.get("photos"), "stages": stages})


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values without empty ones, shares of zero and no: files from before a key came lack it."""
    inner = {key: _filled(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    return {key: value for key, value in inner.items() if not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    """Whether a value is what a key that came later has where nothing is said; seed 0 is a seed like others."""
    return not value and not (isinstance(value, int) and not isinstance(value, bool))


def _differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Where two nested values differ; a part of another name differs as a whole."""
    if before == after:
        return
    both = isinstance(before, Mapping) and isinstance(after, Mapping)
    if not both or before.get("name") != after.get("name"):
        yield f"{path}: {_name(before)} → {_name(after)}"
        return
    for key in dict.fromkeys((*before, *after)):
        yield from _differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", "another")).removeprefix("srzoo:")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
