"""A training run as plain data: what is trained, on which photos, through which stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_serializer, model_validator

from srzoo.config import ModelConfig, PartConfig, checked, merge, read_named
from srzoo.errors import ConfigError
from srzoo.messages import suggestion

Precision = Literal["float32", "bf16", "fp16"]
"""Arithmetic of the forward pass."""

TrainedPart = Literal["pre_encoder", "encoder", "latent", "decoder"]
"""Parts of the generator that a stage may train by themselves."""

Share = Annotated[float, Field(gt=0, lt=1)]


def _listed(value: Any) -> Any:
    """One may be written without a list."""
    return (value,) if isinstance(value, str | Mapping) else value


def _named(value: Any, owner: str) -> Any:
    """Tables by name as a list of tables with names, without those of no steps and what is to be kept of them."""
    if not isinstance(value, Mapping):
        return value
    for name, table in value.items():
        if not isinstance(table, Mapping):
            raise ConfigError(f"{owner}: stage {name} is not a table; write [stages.{name}]")
        if not {"prior", "posterior"} & table.keys():
            others = [each for each in value if each != name]
            raise ConfigError(
                f"{owner}: there is no stage {name!r} to change{suggestion(name, others)}; "
                "a new one names its losses, such as prior = { l1 = 1.0 }"
            )
    if value and not any(table.get("steps", 1) for table in value.values()):
        raise ConfigError(f"{owner}: every stage has steps = 0, so that nothing would be trained")
    left_out = {name for name, table in value.items() if table.get("steps", 1) == 0}
    stages = []
    for name, table in value.items():
        if name not in left_out:
            kept = table.get("keep")
            if isinstance(kept, Mapping):
                table = {**table, "keep": {each: share for each, share in kept.items() if each not in left_out}}
            stages.append({"name": name, **table})
    return stages


class Table(BaseModel):
    """A table of a recipe: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Term(Table):
    """The weight of a loss, and its options; written as a number where it has none."""

    weight: float = Field(ge=0)
    """What the term is multiplied by."""

    options: dict[str, Any] = {}
    """Options of the loss by name."""

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        if isinstance(value, int | float):
            return {"weight": value}
        if isinstance(value, Mapping) and "options" not in value:
            return {
                "weight": value.get("weight", 1.0),
                "options": {key: each for key, each in value.items() if key != "weight"},
            }
        return value

    @model_serializer
    def _short(self) -> float | dict[str, Any]:
        return {"weight": self.weight, **self.options} if self.options else self.weight


class Data(Table):
    """Photos and crops."""

    train: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed), Field(min_length=1)]
    """Data sets of HR photos, as `srzoo.data.reference.open_dataset` reads them: names, or paths relative to the data
    folder of the run."""

    validation: str = Field(min_length=1)
    """Data set of HR photos by which models are chosen, likewise."""

    sizes: tuple[Share, ...] = ()
    """Sizes at which the photos are taken as well, as shares of their own: where photos are few, smaller copies, which
    have more detail to each pixel, are more to learn from."""

    permute_channels: bool = False
    """Whether chance exchanges red, green and blue of each crop: where photos are few, six times as many colours."""

    crop: int = Field(default=32, ge=4, le=512)
    """Side of a crop in LR pixels."""

    batch: int = Field(default=8, ge=1, le=4096)
    """Crops in a step, of all processes together."""

    degradation: Annotated[tuple[PartConfig, ...], BeforeValidator(_listed)] = (PartConfig(name="bicubic"),)
    """What makes LR of HR, step by step."""

    lr: Literal["made", "given"] = "made"
    """Whether LR is made by `degradation`, or the data sets' own."""

    @model_validator(mode="after")
    def _one_lr(self) -> Data:
        if self.lr == "given" and self.degradation != type(self).model_fields["degradation"].default:
            raise ValueError('with lr = "given" nothing is degraded; remove degradation')
        if self.lr == "given" and self.sizes:
            raise ValueError('with lr = "given" there is no LR for photos of other sizes; set sizes to []')
        return self


class Stage(Table):
    """A run of steps with one set of losses."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    """Names the model file that the stage leaves."""

    steps: int = Field(ge=1)
    """Optimiser steps."""

    train: tuple[TrainedPart, ...] = ()
    """Parts that are trained, the others staying as they are; empty for all."""

    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    """What moves the generator; ``muon`` takes the large matrices and leaves the rest to Adam."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate of the generator, at its height."""

    betas: tuple[Share, Share] = (0.9, 0.99)
    """Adam's decays for the generator."""

    weight_decay: float = Field(default=0.0, ge=0)
    """How fast ``adamw`` lets weights shrink."""

    discriminator_learning_rate: float = Field(default=2e-4, gt=0)
    """Adam's learning rate for the discriminator, at its height."""

    warm_up: int = Field(default=100, ge=0)
    """Steps over which the learning rates climb to their height."""

    schedule: Literal["cosine", "constant", "multistep"] = "cosine"
    """How they go on from there: along a cosine to zero, not at all, or down by ``gamma`` at each of ``milestones``."""

    milestones: tuple[Share, ...] = ()
    """For ``multistep``: shares of the stage."""

    gamma: float = Field(default=0.5, gt=0, lt=1)
    """For ``multistep``: what a rate is multiplied by."""

    clip: float = Field(default=1.0, gt=0)
    """Largest norm of the generator's gradient."""

    ema: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the moving average of the weights, which is what the stage leaves."""

    keep: dict[str, Annotated[float, Field(ge=0, lt=1)]] = {}
    """Shares, in what the stage leaves, of the weights that earlier stages left, by their names (Wortsman et al.,
    "Robust Fine-Tuning of Zero-Shot Models", CVPR 2022; for SR, network interpolation in Wang et al., "ESRGAN", ECCV
    Workshops 2018)."""

    crop: int | None = Field(default=None, ge=4, le=512)
    """Side of a crop in LR pixels, where it is not the run's."""

    batch: int | None = Field(default=None, ge=1, le=4096)
    """Crops in a step, where it is not the run's."""

    accumulate: int = Field(default=1, ge=1)
    """Parts in which a batch goes through the network, one after another, to need less memory."""

    posterior_share: float = Field(default=0.25, ge=0, le=1)
    """Share of the steps, evenly spread, that decode from the posterior; the rest decodes from the prior."""

    temperature: float = Field(default=0.0, ge=0)
    """Standard deviation of the noise in what is decoded from the prior; 0 takes its mean."""

    prior: dict[str, Term] = {}
    """Losses on what is decoded from the prior: weights, or tables with ``weight`` and options."""

    posterior: dict[str, Term] = {}
    """Losses on what is decoded from the posterior, likewise."""

    r1: float = Field(default=0.0, ge=0)
    """Weight of the discriminator's squared gradient at real images."""

    r1_every: int = Field(default=8, ge=1)
    """Steps from one R1 penalty to the next; it counts that much more."""

    @model_validator(mode="after")
    def _coherent(self) -> Stage:
        if bool(self.milestones) != (self.schedule == "multistep"):
            raise ValueError('milestones belong to schedule = "multistep", and it needs some, such as [0.5, 0.75]')
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError('weight_decay belongs to optimizer = "adamw"')
        return self

    def branches(self) -> Iterator[tuple[str, Mapping[str, Term]]]:
        """The branches that the stage decodes from, each with its losses that have a weight."""
        for branch, used in (("prior", self.posterior_share < 1), ("posterior", self.posterior_share > 0)):
            if used:
                terms: Mapping[str, Term] = getattr(self, branch)
                yield branch, {name: term for name, term in terms.items() if term.weight}


class Guard(Table):
    """What happens when training blows up: a term is no number, or far above what it was."""

    on_blow_up: Literal["stop", "rollback"] = "stop"
    """Stop, or go back to the last checkpoint and go on from there with lower learning rates."""

    limit: float = Field(default=50.0, gt=1)
    """How many times its moving average an image loss may reach."""

    rollbacks: int = Field(default=3, ge=1)
    """How often a run may go back before it stops."""

    slower: float = Field(default=0.5, gt=0, lt=1)
    """What all learning rates are multiplied by each time."""


class Recipe(Table):
    """Everything that decides a run, but for where the photos lie and where the results go."""

    preset: str = "reference"
    """Preset, or TOML file, of the network."""

    model: dict[str, Any] = {}
    """Changes to the preset."""

    start: str | None = None
    """Model to start from, by name or path, in place of fresh weights; what does not fit stays fresh."""

    seed: int = Field(default=0, ge=0)
    """Seed of weights, crops and noise."""

    precision: Precision = "bf16"
    """Arithmetic of the forward pass; weights and their averages stay float32."""

    validate_every: int = Field(default=1000, ge=1)
    """Steps between validations on whole images."""

    save_every: int = Field(default=250, ge=1)
    """Steps between checkpoints."""

    log_every: int = Field(default=1, ge=1)
    """Steps between rows of the ledger."""

    data: Data
    guard: Guard = Guard()
    stages: tuple[Stage, ...] = Field(min_length=1)
    """One after another; written as tables by name, ``[stages.fidelity]``, of which those with ``steps = 0`` are left
    out, so that a recipe can change or drop a stage of the one that it derives from."""

    @model_validator(mode="after")
    def _names(self) -> Recipe:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"stages need names of their own, got {', '.join(names)}")
        for index, stage in enumerate(self.stages):
            if unknown := stage.keep.keys() - names[:index]:
                raise ValueError(
                    f"stage {stage.name} keeps some of {sorted(unknown)[0]}, which is no stage before it: those are "
                    f"{', '.join(names[:index]) or 'none'}"
                )
            if sum(stage.keep.values()) >= 1:
                raise ValueError(f"stage {stage.name} keeps nothing of its own: the shares in keep add up to 1 or more")
            if (stage.batch or self.data.batch) % stage.accumulate:
                raise ValueError(
                    f"stage {stage.name}: accumulate = {stage.accumulate} does not divide its batch of "
                    f"{stage.batch or self.data.batch}"
                )
        return self

    def crop(self, stage: Stage) -> int:
        """Side of a stage's crops in LR pixels."""
        return stage.crop or self.data.crop

    def batch(self, stage: Stage) -> int:
        """Crops in a stage's step."""
        return stage.batch or self.data.batch

    def network(self) -> ModelConfig:
        """The network's configuration, from the preset as it was when it was first asked for."""
        return self._network

    @cached_property
    def _network(self) -> ModelConfig:
        return ModelConfig.parse(
            merge(read_named("presets", self.preset), self.model), f"recipe's model (preset {self.preset!r})"
        )

    def hash(self) -> str:
        """Twelve hexadecimal digits that change with anything in the recipe or in the network it trains.

        What is as it would be anyway does not count, so that a key that comes later changes no recipe without it.
        """
        values = {**self.model_dump(mode="json", exclude_defaults=True), "network": self.network().to_dict()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def load_recipe(name: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """A shipped recipe by name, or the user's by path, with ``changes`` on top.

    Raises:
        ConfigError: There is no such recipe, or a key or value in it is not valid.
    """
    values = merge(read_named("recipes", name), changes or {})
    values.pop("summary", None)
    owner = f"recipe {name!r}"
    if "stages" in values:
        values["stages"] = _named(values["stages"], owner)
    recipe = checked(Recipe, values, owner)
    recipe.network()
    return recipe


def data_folder(given: str | None, environment: Mapping[str, str]) -> Path:
    """The folder that a recipe's data paths start from.

    Raises:
        ConfigError: Neither an option nor ``SRZOO_DATA`` names one that exists.
    """
    folder = given or environment.get("SRZOO_DATA")
    if not folder:
        raise ConfigError("name the folder with the training photos by --data or SRZOO_DATA")
    if not Path(folder).is_dir():
        raise ConfigError(f"{folder} is not a folder; name the one with the training photos by --data or SRZOO_DATA")
    return Path(folder)
