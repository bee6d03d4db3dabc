"""Measure models one after the other; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from srzoo import cost, zoo
from srzoo.benchmark.identity import environment, model_digest
from srzoo.benchmark.report import Board, leaderboards
from srzoo.benchmark.store import SCORES, Kind, Result, Store
from srzoo.checkpoint import read_header
from srzoo.data.pairs import ImagePair, data_fingerprint
from srzoo.errors import DataError, SrzooError, WriteError
from srzoo.messages import one_line
from srzoo.model import Model
from srzoo.protocol import CLASSIC
from srzoo.scoring import evaluate

Progress = Callable[[int, int, str], None]
"""Called with how many steps are done, how many there are, and what was done last."""

SETTINGS = {"samples": 1, "temperature": 0.0, "seed": 0, "precision": "float32", "tile": 0}
"""How every model is used: its mean, once, whole images at a time."""

PROTOCOL = {"name": CLASSIC.name, "version": CLASSIC.version, "hash": CLASSIC.hash}
"""The rules of every benchmark."""


@dataclass(frozen=True)
class Benchmark:
    """A ranking with how it came about."""

    board: Board
    """The models that could be measured."""

    environment: Mapping[str, Any]
    """Device, threads and versions of the costs."""

    size: tuple[int, int]
    """Height and width of the LR image of the costs."""

    failed: Mapping[str, str]
    """Why a model, or its cost, could not be measured."""

    reused: Mapping[str, tuple[Kind, ...]]
    """For each model which of its results were measured before."""

    unkept: tuple[str, ...] = ()
    """Why results could not be kept, one line each; they are on the board all the same."""

    def to_dict(self) -> dict[str, Any]:
        """Strict JSON values."""
        return {
            "protocol": dict(self.board.protocol),
            "data": dict(self.board.data),
            "settings": dict(self.board.settings),
            "environment": dict(self.environment),
            "cost_lr_size": list(self.size),
            "rows": [row.to_dict() for row in self.board.rows],
            "contributions": [asdict(each) for each in self.board.contributions],
            "failed": [{"model": name, "error": error} for name, error in self.failed.items()],
            "reused": {name: list(kinds) for name, kinds in self.reused.items()},
            "unkept": list(self.unkept),
        }


def default_models(scale: int) -> list[str]:
    """Every shipped model of that scale, then the plain upscalers."""
    own = [name for name, file in zoo.shipped().items() if int(read_header(file)["config"]["scale"]) == scale]
    return [*own, *zoo.plain_upscalers()]


def run(
    names: Sequence[str] | None,
    pairs: Sequence[ImagePair],
    *,
    scale: int,
    results: Path | None = None,
    fresh: bool = False,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Benchmark:
    """Measure models and rank them.

    Args:
        names: What `srzoo.zoo.load` takes; None for `default_models`.
        pairs: What quality is measured on.
        scale: Enlargement factor.
        results: Folder where results are kept and found again, made if need be; None keeps nothing.
        fresh: Measure again what the folder already holds.
        device: Where to compute.
        progress: Told of every image and every cost.

    Raises:
        DataError: There are no image pairs.
        UsageError: There is no such device, or the folder cannot be made or written to.
    """
    if not pairs:
        raise DataError("there are no images to measure on")
    place = zoo.usable_device(device)
    chosen = list(dict.fromkeys(default_models(scale) if names is None else names))
    series = _Series(pairs, scale, place, Store(results, fresh=fresh), progress, len(chosen))
    for name in chosen:
        series.measure(name)
    boards = leaderboards(series.results)
    board = boards[0] if boards else Board(PROTOCOL, series.data, SETTINGS, ())
    return Benchmark(board, series.environment, series.size, series.failed, series.reused, tuple(series.unkept))


@dataclass
class _Series:
    """Models measured so far, on the same images and the same device."""

    pairs: Sequence[ImagePair]
    scale: int
    device: torch.device
    store: Store
    progress: Progress | None
    models: int
    results: list[Result] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    reused: dict[str, tuple[Kind, ...]] = field(default_factory=dict)
    unkept: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.size = cost.standard_size(self.scale)
        self.data = {"fingerprint": data_fingerprint(self.pairs), "images": len(self.pairs), "scale": self.scale}
        self.environment = environment(self.device)
        self._done = 0

    def measure(self, name: str) -> None:
        """Find or measure a model's quality and cost, and take note of what fails."""
        try:
            model = zoo.load(name, self.scale, self.device)
            digest = model_digest(model)
            quality_key = {"protocol": PROTOCOL, "data": self.data, "digest": digest, "settings": SETTINGS}
            machine = {**self.environment, "engine": model.engine}
            cost_key = {"digest": digest, "lr_size": list(self.size), "environment": machine}
            self._result("quality", name, quality_key, lambda: self._quality(name, model))
            self._result("cost", name, cost_key, lambda: self._cost(model))
        except (Exception, SystemExit) as error:  # whatever a third party's model does, the others are to be measured
            self.failed[name] = str(error) if isinstance(error, SrzooError) else one_line(error)
        self._done += 1
        self._tell(name, 0)

    def _result(self, kind: Kind, name: str, key: Mapping[str, Any], measured: Callable[[], Mapping[str, Any]]) -> None:
        result = self.store.find(kind, name, key)
        if result is None:
            result = Result(kind, name, key, measured())
            try:
                self.store.add(result)
            except WriteError as error:
                self.unkept.append(str(error))
        else:
            self.reused[name] = (*self.reused.get(name, ()), kind)
        self.results.append(result)

    def _quality(self, name: str, model: Model) -> dict[str, Any]:
        def tell(done: int, _: int, image: str) -> None:
            self._tell(f"{name}: {image}", done)

        scores = evaluate(model, self.pairs, progress=tell).to_dict()
        file = zoo.find_file(zoo.without_mark(name)[0])
        return {
            "trained": model.trained,
            "config": model.config,
            "training": read_header(file).get("training") if file else None,
            "mean": _scores(scores["mean"]),
            "images": [{"name": image["name"], **_scores(image)} for image in scores["images"]],
        }

    def _cost(self, model: Model) -> dict[str, Any]:
        params, macs = cost.count_parameters(model), cost.count_macs(model, self.size)
        return {"params": params, "macs": macs, **asdict(cost.measure(model, self.size))}

    def _tell(self, what: str, images: int) -> None:
        if self.progress is not None:
            steps = len(self.pairs) + 1  # the last is the cost
            self.progress(self._done * steps + images, self.models * steps, what)


def _scores(values: Mapping[str, Any]) -> dict[str, Any]:
    """Quality alone: the seconds of images of unlike sizes are no cost."""
    return {name: values[name] for name in SCORES}
