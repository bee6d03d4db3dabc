"""A training run from its recipe to its model files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from srzoo import checkpoint
from srzoo.assembly import build_discriminator, build_model
from srzoo.data.photos import Tell
from srzoo.data.prefetch import Prefetcher
from srzoo.degrade import resolved_steps
from srzoo.errors import TrainingError
from srzoo.scoring import evaluate
from srzoo.train.data import open_crops, validation_pairs
from srzoo.train.ledger import Ledger
from srzoo.train.losses import check_files
from srzoo.train.precision import usable_precision
from srzoo.train.recipe import Recipe, Stage
from srzoo.train.state import (
    MovingAverage,
    Progress,
    load_state,
    optimizer_tensors,
    restore_optimizer,
    save_state,
)
from srzoo.train.step import Trainer


@dataclass(frozen=True)
class Report:
    """What a watcher is told after every step."""

    stage: Stage
    step: int
    """Steps done in the stage."""
    values: Mapping[str, float]
    """Loss terms, ``images_per_second``, ``data_seconds`` waited for the crops, and ``val_psnr_y`` in dB where the
    step was validated."""


Watcher = Callable[[Report], None]
Batch = tuple[Tensor, Tensor]
"""LR and HR crops of one step."""

CHECKPOINT = "checkpoint.safetensors"
LEDGER = "ledger.csv"
UNUSED = "unused-photos.txt"
"""Names of files in the folder of a run; the last is there only where photos could not be used, and says why."""


class Run:
    """A recipe at work in a folder of its own.

    Args:
        recipe: What to do.
        folder: Where checkpoint, ledger and models go.
        data: Folder that the recipe's data paths start from.
        device: Where to compute.
        start: A model file to start from in place of fresh weights.
        memory: Most bytes of photos to keep decoded.
        workers: Threads that prepare the next crops; 0 prepares them when they are wanted.
        tell: Told of progress while photos are looked at and decoded.

    Raises:
        TrainingError: The recipe cannot start: the crops are too small for the discriminator.
        DataError: Photos are missing, or none can be used.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        data: Path,
        *,
        device: torch.device | str = "cpu",
        start: Path | None = None,
        memory: int = 4 << 30,
        workers: int = 1,
        tell: Tell = lambda done, total, what: None,
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self._workers = workers
        self._config = recipe.network()
        self.progress = Progress()
        self.precision = usable_precision(recipe.precision, torch.device(device))
        """Arithmetic of the forward pass: the recipe's where the device does it at full speed, else ``float32``."""
        self.model = build_model(self._config, seed=recipe.seed, device="cpu")
        if start is not None:
            checkpoint.load_weights(self.model, checkpoint.read_weights(start), str(start))
        self.model.to(device).to(memory_format=torch.channels_last)
        self.discriminator = None
        if any(stage.uses("adversarial") for stage in recipe.stages):
            built = build_discriminator(self._config, seed=recipe.seed)
            self.discriminator = built.to(device).to(memory_format=torch.channels_last)
            self._check_crops(self.discriminator.min_size)
        for stage in recipe.stages:
            check_files(stage.uses)
        self._validation = validation_pairs(recipe, data, self.model.scale, tell)
        self._crops = open_crops(recipe, data, self.model.scale, memory, tell)
        self.photos = self._crops.photos
        self._average = MovingAverage(self.model, recipe.stages[0].ema)
        self._groups: dict[str, dict[str, Tensor]] = {}

    def _check_crops(self, smallest: int) -> None:
        for stage in self.recipe.stages:
            side = self.recipe.crop(stage) * self.model.scale
            if stage.uses("adversarial") and side < smallest:
                raise TrainingError(
                    f"stage {stage.name}: HR crops of {side} pixels are too small for discriminator "
                    f"{self._config.discriminator.name}, which needs {smallest}; raise crop"
                )

    def begin(self, *, resume: bool) -> None:
        """Take up the folder's checkpoint, or make sure that there is none to be overwritten.

        Raises:
            TrainingError: There is a checkpoint, but it is not to be resumed, or it belongs to another recipe.
        """
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        if not resume:
            raise TrainingError(f"{self.folder} holds a run; go on with --resume, or choose another --output")
        self.progress, identity, self._groups = load_state(path)
        if identity["recipe"] != self.recipe.hash():
            raise TrainingError(f"{path} belongs to another recipe; choose another --output, or remove that folder")

    def run(self, watch: Watcher) -> Path:
        """Train through what is left of the stages.

        Args:
            watch: Told of every step.

        Returns:
            The last stage's model file.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ledger = Ledger(self.folder / LEDGER, until=self.progress.step)
        for index in range(self.progress.stage, len(self.recipe.stages)):
            self._run_stage(index, watch)
        return self.folder / f"{self.recipe.stages[-1].name}.safetensors"

    def _run_stage(self, index: int, watch: Watcher) -> None:
        stage = self.recipe.stages[index]
        discriminator = self.discriminator if stage.uses("adversarial") else None
        trainer = Trainer(self.model, discriminator, stage, self.precision, self.recipe.seed)
        self._restore_or_begin(index, trainer)
        self.model.train()
        with self._batches(stage) as batches:
            while self.progress.stage_step < stage.steps:
                values = self._step(trainer, batches)
                done = self.progress.stage_step
                if done % self.recipe.validate_every == 0 or done == stage.steps:
                    values["val_psnr_y"] = self._validate()
                self._ledger.add(self.progress.step - 1, stage.name, values)
                if done % self.recipe.save_every == 0 and done < stage.steps:
                    self._save(trainer)
                watch(Report(stage, done, values))
        self._finish(index, stage)

    def _batches(self, stage: Stage) -> Prefetcher[Batch]:
        """The crops of what is left of a stage; each step's depend on its number alone, whoever makes them and when."""
        first, crop = self.progress.step, self.recipe.crop(stage)
        steps = range(first, first + stage.steps - self.progress.stage_step)
        seed, size = self.recipe.seed, self.recipe.data.batch
        return Prefetcher(lambda step: self._crops.batch(seed, step, size, crop), steps, self._workers)

    def _step(self, trainer: Trainer, batches: Iterator[Batch]) -> dict[str, float]:
        began = time.perf_counter()
        lr, hr = next(batches)
        waited = time.perf_counter() - began
        values = trainer.step(lr, hr, self.progress.stage_step)
        self._average.update(self.model, self.progress.stage_step)
        self.progress.step += 1
        self.progress.stage_step += 1
        speed = len(lr) / (time.perf_counter() - began)
        return values | {"images_per_second": speed, "data_seconds": waited}

    def _restore_or_begin(self, index: int, trainer: Trainer) -> None:
        stage = self.recipe.stages[index]
        groups, self._groups = self._groups, {}
        if groups:
            self.model.load_state_dict(groups["model"])
        self._average = MovingAverage(self.model, stage.ema)
        if not groups:
            self.progress.stage, self.progress.stage_step = index, 0
            return
        self._average.values = groups.get("average", self._average.values)
        if self.discriminator is not None and "discriminator" in groups:
            self.discriminator.load_state_dict(groups["discriminator"])
        for name, optimizer in trainer.optimizers.items():
            restore_optimizer(optimizer, groups.get(f"optimizer.{name}", {}))

    def _save(self, trainer: Trainer | None) -> None:
        groups: dict[str, Mapping[str, Tensor]] = {"model": self.model.state_dict()}
        if self.discriminator is not None:
            groups["discriminator"] = self.discriminator.state_dict()
        if trainer is not None:
            groups["average"] = self._average.values
            for name, optimizer in trainer.optimizers.items():
                groups[f"optimizer.{name}"] = optimizer_tensors(optimizer)
        self._ledger.flush()
        if lines := [*self.photos.problems, *self.photos.unused]:
            checkpoint.write_atomically(self.folder / UNUSED, "\n".join([*lines, ""]).encode())
        save_state(self.folder / CHECKPOINT, self.progress, {"recipe": self.recipe.hash()}, groups)

    def _finish(self, index: int, stage: Stage) -> None:
        """The average becomes the model: it is kept, and the next stage starts from it."""
        self.model.load_state_dict(self._average.values)
        self.model.trained = True
        training = {
            "recipe": self.recipe.model_dump(mode="json"),
            "recipe_hash": self.recipe.hash(),
            "stages": [each.name for each in self.recipe.stages[: index + 1]],
            "precision": self.precision,
            "photos": {
                "count": self.photos.count,
                "unused": len(self.photos.unused),
                "fingerprint": self.photos.fingerprint,
            },
            "lr": resolved_steps(self.recipe.data.degradation) if self.recipe.data.lr == "made" else "given",
        }
        checkpoint.save_model(
            self.model,
            self.folder / f"{stage.name}.safetensors",
            training_parts=True,
            extra={"training": training},
        )
        self.progress.stage, self.progress.stage_step = index + 1, 0
        self._save(None)

    def _validate(self) -> float:
        """Mean PSNR on Y, in dB, of the average on the whole validation images."""
        kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self._average.values)
        try:
            return float(evaluate(self.model, self._validation).mean["psnr_y"])
        finally:
            self.model.load_state_dict(kept)
