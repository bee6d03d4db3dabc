"""The ranking, as a pure function of results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from srzoo.benchmark.contributions import Contribution, contributions
from srzoo.benchmark.store import Result, floats


@dataclass(frozen=True)
class Row:
    """A model in a ranking."""

    rank: int
    """1 is best; equal scores share a rank."""

    model: str
    """Name or path that it was asked for by."""

    psnr_y: float
    """PSNR on luma in dB, mean over images."""

    ssim_y: float
    """SSIM on luma, mean over images."""

    lr_psnr: float
    """PSNR in dB of the shrunk result against LR, mean over images."""

    params: int | None
    """Parameters that use needs."""

    macs: int | None
    """Multiply-accumulates for one LR image of the board's cost size."""

    seconds: float | None
    """Median seconds for that image."""

    memory: int | None
    """Peak of the memory taken beyond the weights for that image, in bytes."""

    trained: bool
    """False for fresh weights, whose scores mean nothing."""

    digest: str
    """Changes with the parts, their options, or the weights."""

    def to_dict(self) -> dict[str, Any]:
        """Strict JSON values; an infinite PSNR becomes the string ``"inf"``."""
        return {key: "inf" if value == inf else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Board:
    """Models that were measured by the same rules on the same data, best first."""

    protocol: Mapping[str, Any]
    """``name``, ``version`` and ``hash`` of the rules."""

    data: Mapping[str, Any]
    """``fingerprint``, number of ``images`` and ``scale``."""

    settings: Mapping[str, Any]
    """How the models were used."""

    rows: tuple[Row, ...]
    """Sorted by PSNR, then SSIM, then name."""

    contributions: tuple[Contribution, ...] = ()
    """What each part contributes, where the ablations and what they are held against are on the board."""


def leaderboards(results: Iterable[Result]) -> tuple[Board, ...]:
    """Rank results, those of different protocols, data or settings on boards of their own.

    Args:
        results: Results of quality, and of cost as measured in one environment.

    Returns:
        Boards, ordered by what sets them apart.
    """
    qualities: dict[str, list[Result]] = {}
    costs: dict[str, Mapping[str, Any]] = {}
    for result in results:
        if result.kind == "cost":
            costs[result.key["digest"]] = result.values
        else:
            rules = {name: value for name, value in result.key.items() if name != "digest"}
            qualities.setdefault(json.dumps(rules, sort_keys=True), []).append(result)
    return tuple(_board(qualities[rules], costs) for rules in sorted(qualities))


def _board(qualities: list[Result], costs: Mapping[str, Mapping[str, Any]]) -> Board:
    means = {result.model: floats(result.values["mean"]) for result in qualities}

    def best_first(result: Result) -> tuple[float, float, str]:
        mean = means[result.model]
        return -mean["psnr_y"], -mean["ssim_y"], result.model

    rows: list[Row] = []
    for place, result in enumerate(sorted(qualities, key=best_first), 1):
        mean, cost = means[result.model], costs.get(result.key["digest"], {})
        tied = bool(rows) and rows[-1].psnr_y == mean["psnr_y"]
        rows.append(
            Row(
                rank=rows[-1].rank if tied else place,
                model=result.model,
                psnr_y=mean["psnr_y"],
                ssim_y=mean["ssim_y"],
                lr_psnr=mean["lr_psnr"],
                params=cost.get("params"),
                macs=cost.get("macs"),
                seconds=cost.get("seconds"),
                memory=cost.get("memory"),
                trained=result.values["trained"],
                digest=result.key["digest"],
            )
        )
    first = qualities[0].key
    return Board(first["protocol"], first["data"], first["settings"], tuple(rows), contributions(qualities))
