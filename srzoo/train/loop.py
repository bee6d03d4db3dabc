"""A training run from its recipe to its model files."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from srzoo.assembly import build_discriminator, build_model
from srzoo.data.photos import Tell
from srzoo.errors import TrainingError
from srzoo.files import write_atomically
from srzoo.scoring import evaluate
from srzoo.train.alone import alone_in
from srzoo.train.batch import Batch
from srzoo.train.batches import stage_batches
from srzoo.train.checks import check_parts, check_samples, check_sizes, saved_state, whole_scale
from srzoo.train.data import open_crops, open_sets, validation_pairs
from srzoo.train.engine import gather_over_processes, start_engine
from srzoo.train.guard import BlowUp, Guard
from srzoo.train.model_file import write_model
from srzoo.train.objective import Objective
from srzoo.train.optimizers import rate_share
from srzoo.train.recipe import Recipe, Stage
from srzoo.train.record import Clock, Recorder
from srzoo.train.start import Start, take_start
from srzoo.train.state import (
    LEFT,
    Groups,
    MovingAverage,
    Progress,
    index_of,
    load_state,
    optimizer_tensors,
    restore_optimizer,
    save_state,
)
from srzoo.train.step import Trainer, before_of_its_kind, select_parts

UNUSED = "unused-photos.txt"
"""Name, in the folder of a run, of the list of photos that could not be used; there only where there are some."""


@dataclass(frozen=True)
class Report:
    """What a watcher is told of a step: that it is done, and later, where it has a row, its numbers."""

    stage: Stage
    step: int
    """Steps done in the stage."""
    values: Mapping[str, float]
    """What the ledger has of it; see docs/training.md. Empty as long as they are not known."""
    note: str = ""
    """What a person should know, mostly nothing."""


Watcher = Callable[[Report], None]


class Run:
    """A recipe at work in a folder of its own, in this process or, under torchrun, in several that share each batch.

    Args:
        recipe: What to do.
        folder: Where checkpoint, ledger and models go.
        data: Folder that the recipe's data paths start from.
        device: Where to compute.
        resume: Whether to go on from the folder's checkpoint, if there is one.
        memory: Most bytes of photos to keep decoded.
        workers: Threads that prepare the next crops; 0 prepares them when they are wanted.
        compiled: Whether the networks go through `torch.compile`.
        graphs: Whether a GPU repeats recorded steps where it can.
        shard: Most bytes of a checkpoint's files, 0 for no limit.
        tell: Told of progress while photos are looked at and decoded.

    Raises:
        SrzooError: The recipe cannot start: its scale is not whole, a loss lacks its weights, crops are too small, or
            photos are missing; or the folder's checkpoint is not to be resumed, or belongs to another recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        data: Path,
        *,
        device: torch.device | str = "cpu",
        resume: bool = False,
        memory: int = 4 << 30,
        workers: int = 1,
        compiled: bool = False,
        graphs: bool = True,
        shard: int = 0,
        tell: Tell = lambda done, total, what: None,
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.progress = Progress()
        self._workers = workers
        self._graphs = graphs
        self._shard = shard
        config = recipe.network()
        scale = whole_scale(config)
        self._index = index_of(folder)
        saved = saved_state(folder, recipe, resume)
        sets = open_sets(recipe, data)
        self._objectives = [Objective(stage, scale) for stage in recipe.stages]
        self._fabric, precision = start_engine(torch.device(device), recipe.precision)
        self.precision = precision
        """Arithmetic of the forward pass: the recipe's where the device does it at full speed, else the next best."""
        self.model = build_model(config, seed=recipe.seed, device="cpu")
        self.start: Start | None = None
        """What came of the model to start from; None where there is none, or where a checkpoint is taken up."""
        if recipe.start and saved is None:
            self.start = take_start(self.model, recipe.start)
        self._licence = self.start.licence if self.start else ""
        self._trainable = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.model.to(self._fabric.device).to(memory_format=torch.channels_last)
        self.discriminator = None
        if any(objective.adversarial for objective in self._objectives):
            built = build_discriminator(config, seed=recipe.seed)
            self.discriminator = built.to(self._fabric.device).to(memory_format=torch.channels_last)
        check_parts(recipe, self.model)
        check_sizes(recipe, config, self._objectives, self.discriminator, self._fabric.world_size)
        check_samples(recipe, config, self._objectives, self.model)
        if compiled:
            for network in filter(None, (self.model, self.discriminator)):
                network.compile()
        self._validation = validation_pairs(recipe, sets, scale, tell)
        self._crops = open_crops(recipe, sets, scale, memory, tell, self._fabric.device)
        self.photos = self._crops.photos
        self._groups: Groups = {}
        self._left: Groups = {}
        self._guard = Guard(recipe.guard.limit)
        self._note = ""
        self._clock = Clock()
        self.saved_step = 0
        """How many steps, over all stages, the checkpoint holds."""
        self._stopping = False
        self.differs: tuple[str, ...] = ()
        """What is not as it was when the checkpoint was written, so that a resumed run does not end with the same
        bits."""
        if saved is not None:
            self._take_up(*saved)
            self.differs = tuple(self._differing(saved[1]))

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self._fabric.is_global_zero

    @property
    def alone(self) -> bool:
        """Whether no other process shares its batches."""
        return self._fabric.world_size == 1

    def stop(self) -> None:
        """Have `run`, where it is alone, write a checkpoint after the step at hand and raise KeyboardInterrupt."""
        self._stopping = self.alone

    def _take_up(self, progress: Progress, facts: Mapping[str, Any], groups: Groups) -> None:
        self.progress, self._groups = progress, groups
        self.saved_step = progress.step
        self._left = {
            group.removeprefix(LEFT): {name: value.to(self._fabric.device) for name, value in weights.items()}
            for group, weights in groups.items()
            if group.startswith(LEFT)
        }
        self._guard = Guard(**facts["guard"])
        self._licence = facts.get("licence", "")
        if facts["scaler"]:
            self._fabric.strategy.precision.load_state_dict(facts["scaler"])

    def _differing(self, facts: Mapping[str, Any]) -> Iterator[str]:
        if facts.get("precision", self.precision) != self.precision:
            yield f"it computed in {facts['precision']} and goes on in {self.precision}"
        if facts.get("photos", self.photos.listing) != self.photos.listing:
            yield "its photos have changed in number, names or sizes"

    def run(self, watch: Watcher) -> Path:
        """Train through what is left of the stages.

        Args:
            watch: Told of every step.

        Returns:
            The last stage's model file.

        Raises:
            TrainingError: Training blew up, and the recipe has it stop; another process is at work in the folder; or
                there is nothing to do, and the model file is gone.
        """
        with alone_in(self.folder) if self.leads else nullcontext():
            if self.leads and index_of(self.folder) != self._index:
                raise TrainingError(f"another run has worked in {self.folder} while this one began; start it again")
            return self._run(watch)

    def _run(self, watch: Watcher) -> Path:
        model = self.folder / f"{self.recipe.stages[-1].name}.safetensors"
        if self.progress.stage == len(self.recipe.stages) and self.leads and not model.is_file():
            raise TrainingError(
                f"{self.folder} holds a run that is over, and {model.name} is gone; train again elsewhere"
            )
        while self.progress.stage < len(self.recipe.stages):
            try:
                self._run_stage(watch)
            except BlowUp as error:
                self._roll_back(str(error), watch)
        return model

    def _run_stage(self, watch: Watcher) -> None:
        index = self.progress.stage
        stage, objective = self.recipe.stages[index], self._objectives[index]
        gc.collect()  # a stage before this one may have left hooks on the weights, and recorded steps on the GPU
        select_parts(self.model, stage, self._trainable)
        judge = self.discriminator if objective.adversarial else None
        trainer = Trainer(self._fabric, self.model, judge, stage, objective, self.precision, self.recipe.seed)
        if self._graphs:
            trainer.record()
        self._average = self._new_average(stage)
        self._restore(trainer)
        if not self.progress.stage_step:
            self._guard.begin_stage()
            self._save(trainer)
        share = self._fabric.global_rank, self._fabric.world_size
        with (
            closing(self._recorder(stage, objective)) as recorder,
            stage_batches(
                self._crops, self.model, self.recipe, stage, objective, self.progress, share, self._workers
            ) as batches,
        ):
            self._clock.start()
            while self.progress.stage_step < stage.steps:
                self._step(trainer, batches, recorder)
                done = self.progress.stage_step
                watch(Report(stage, done, {}))
                validates, saves = self._validates(stage, done), self._saves(stage, done)
                if validates or saves or recorder.full:
                    recorder.look()
                    if validates or saves:
                        self._look_at_weights(recorder)
                    self._settle(recorder, stage, validates, watch)
                if saves:
                    self._save(trainer)
                if validates or saves:
                    self._clock.start()
                if self._stopping and done < stage.steps:
                    self._pause(trainer, recorder, stage, watch)
        self._finish(stage)

    def _pause(self, trainer: Trainer, recorder: Recorder, stage: Stage, watch: Watcher) -> None:
        """Leave a checkpoint of this step, with no row that an undisturbed run would not have, and end."""
        recorder.look()
        self._look_at_weights(recorder)
        self._settle(recorder, stage, False, watch)
        self._save(trainer)
        raise KeyboardInterrupt

    def _validates(self, stage: Stage, done: int) -> bool:
        return done % self.recipe.validate_every == 0 or done == stage.steps

    def _saves(self, stage: Stage, done: int) -> bool:
        return done % self.recipe.save_every == 0 and done < stage.steps

    def _records(self, stage: Stage, number: int) -> bool:
        """Whether a step has a row: every nth of those from the prior, of those from the posterior, and each that is
        kept or judged."""
        done, before = number + 1, before_of_its_kind(stage.posterior_share, number)
        return before % self.recipe.log_every == 0 or self._validates(stage, done) or self._saves(stage, done)

    def _step(self, trainer: Trainer, batches: Iterator[Batch], recorder: Recorder) -> None:
        began = time.perf_counter()
        batch = next(batches)
        self._clock.step(time.perf_counter() - began)
        number, stage = self.progress.stage_step, self.recipe.stages[self.progress.stage]
        slower = self.recipe.guard.slower**self.progress.rollbacks
        values = trainer.step(batch, number, slower)
        self._average.update(number)
        written = self._records(stage, number)
        facts = {"learning_rate": stage.learning_rate * rate_share(stage, number) * slower}
        if written:
            facts |= self._clock.lap(self.recipe.batch(stage))
        recorder.add(self.progress.step, values, facts, written=written)
        self.progress.step += 1
        self.progress.stage_step += 1

    def _recorder(self, stage: Stage, objective: Objective) -> Recorder:
        watched = frozenset(f"{name}.{term}" for name, branch in objective.branches.items() for term in branch.watched)
        folder, scaled = self.folder if self.leads else None, self.precision == "fp16"
        note, self._note = self._note, ""
        return Recorder(
            folder, self.progress.step, stage.name, self._guard, watched, scaled=scaled, alone=self.alone, note=note
        )

    def _settle(self, recorder: Recorder, stage: Stage, validates: bool, watch: Watcher) -> None:
        first = self.progress.step - self.progress.stage_step
        if validates:
            recorder.tell("val_psnr_y", self._validate())
        for step, row, note in recorder.settle():
            watch(Report(stage, step - first + 1, row, note))

    def _look_at_weights(self, recorder: Recorder) -> None:
        """What the last update made of the weights, no term has shown.

        Raises:
            BlowUp: They are no numbers, or beyond all measure.
        """
        for whose, network in (("generator", self.model), ("discriminator", self.discriminator)):
            if network is not None:
                norm = float(get_total_norm([each.detach() for each in network.parameters()]))
                if not math.isfinite(norm):
                    reason = f"the norm of the {whose}'s weights became {norm} at step {self.progress.step - 1}"
                    recorder.stop(reason)
                    raise BlowUp(reason)

    def _new_average(self, stage: Stage) -> MovingAverage:
        kept = [(share, self._left[name]) for name, share in stage.keep.items() if share]
        return MovingAverage(self.model, stage.ema, kept)

    def _restore(self, trainer: Trainer) -> None:
        groups, self._groups = self._groups, {}
        if not groups:
            return
        self.model.load_state_dict(groups["model"])
        stage = self.recipe.stages[self.progress.stage]
        self._average = self._new_average(stage)
        self._average.take(groups.get("average", {}))
        if self.discriminator is not None and "discriminator" in groups:
            self.discriminator.load_state_dict(groups["discriminator"])
        for name, optimizer in trainer.optimizers.items():
            if tensors := groups.get(f"optimizer.{name}"):
                restore_optimizer(optimizer, tensors)

    def _roll_back(self, reason: str, watch: Watcher) -> None:
        """Go back to the last checkpoint and go on more slowly, or stop."""
        saved, guard, before = load_state(self.folder), self.recipe.guard, self.progress.rollbacks
        assert saved is not None
        stage, last = self.recipe.stages[self.progress.stage], saved[0].step
        if guard.on_blow_up == "stop" or before >= guard.rollbacks:
            again = f" after {before} rollbacks" if before else ""
            remedy = ', or with guard.on_blow_up = "rollback"' if guard.on_blow_up == "stop" else ""
            raise TrainingError(
                f"stage {stage.name}: {reason}{again}; the state after step {last} is kept in {self.folder}; train "
                f"again with a lower learning_rate and another --output{remedy}"
            )
        self._fabric.barrier()
        self._take_up(*saved)
        self.progress.rollbacks = before + 1
        slower = guard.slower**self.progress.rollbacks
        self._note = f"{reason}; back to step {last}, learning rates at {slower:.3g} of the recipe's"
        watch(Report(stage, self.progress.stage_step, {}, self._note))

    def _share_broken(self) -> None:
        """Let every process know of the photos that any of them could not read."""
        for broken in gather_over_processes(self._fabric, self.photos.broken):
            self.photos.broken.update(broken)

    def _list_unused(self) -> None:
        lines, path = [*self.photos.problems, *self.photos.unused], self.folder / UNUSED
        if lines:
            write_atomically(path, "\n".join([*lines, ""]).encode())
        else:
            path.unlink(missing_ok=True)

    def _save(self, trainer: Trainer | None) -> None:
        self._share_broken()
        if self.leads:
            groups: dict[str, Mapping[str, Tensor]] = {"model": self.model.state_dict()}
            groups |= {f"{LEFT}{name}": weights for name, weights in self._left.items()}
            if self.discriminator is not None:
                groups["discriminator"] = self.discriminator.state_dict()
            if trainer is not None:
                groups["average"] = self._average.values
                for name, optimizer in trainer.optimizers.items():
                    groups[f"optimizer.{name}"] = optimizer_tensors(optimizer)
            self._list_unused()
            facts = {
                "recipe": self.recipe.hash(),
                "guard": self._guard.to_dict(),
                "scaler": self._fabric.strategy.precision.state_dict(),
                "precision": self.precision,
                "photos": self.photos.listing,
                "licence": self._licence,
            }
            save_state(self.folder, self.progress, facts, groups, self._shard)
            self._index = index_of(self.folder)
        self.saved_step = self.progress.step
        self._fabric.barrier()

    def _finish(self, stage: Stage) -> None:
        """The average becomes the model: it is kept, and the next stage starts from it."""
        self._share_broken()
        left = self._average.result()
        self.model.load_state_dict(left)
        self.model.trained = True
        if self.leads:
            path, done = self.folder / f"{stage.name}.safetensors", self.progress.stage + 1
            write_model(
                path, self.model, self.recipe, done, precision=self.precision, photos=self.photos, licence=self._licence
            )
        self.progress.stage, self.progress.stage_step = self.progress.stage + 1, 0
        wanted = {name for later in self.recipe.stages[self.progress.stage :] for name in later.keep}
        self._left = {name: each for name, each in (self._left | {stage.name: left}).items() if name in wanted}
        self._save(None)

    def _validate(self) -> float:
        """Mean PSNR on Y, in dB, of the average on the whole validation images."""
        score = 0.0
        if self.leads:
            kept = {name: value.clone() for name, value in self.model.state_dict().items()}
            self.model.load_state_dict(self._average.result())
            try:
                score = float(evaluate(self.model, self._validation, metrics=["psnr_y"]).mean["psnr_y"])
            finally:
                self.model.load_state_dict(kept)
        self._fabric.barrier()
        return score
