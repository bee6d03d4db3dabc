"""A training run as plain data: what is trained, on which photos, through which stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from srzoo.config import ModelConfig, PartConfig, checked, merge, read_named
from srzoo.errors import ConfigError

Loss = Literal["l1", "consistency", "perceptual", "adversarial", "kl"]
"""Names of the loss terms; a latent's own terms are added with weight 1."""


LATER = "later"
"""Marks a field that came after the first recipes had been hashed; see `Recipe.hash`."""


def _listed(value: Any) -> Any:
    """One step may be written without a list."""
    return (value,) if isinstance(value, str | Mapping) else value


class Data(BaseModel):
    """Photos and crops."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: tuple[str, ...] = Field(min_length=1)
    """Data sets of HR photos, as `srzoo.data.reference.open_dataset` reads them: names, or paths relative to the data
    folder of the run."""

    validation: str
    """Data set of HR photos by which models are chosen, likewise."""

    crop: int = Field(default=32, ge=4, le=512)
    """Side of a crop in LR pixels."""

    batch: int = Field(default=8, ge=1, le=4096)
    """Crops in a step."""

    degradation: Annotated[tuple[PartConfig, ...], BeforeValidator(_listed), LATER] = (PartConfig(name="bicubic"),)
    """What makes LR of HR, step by step."""

    lr: Annotated[Literal["made", "given"], LATER] = "made"
    """Whether LR is made by `degradation`, or the data sets' own."""

    @model_validator(mode="after")
    def _one_lr(self) -> Data:
        if self.lr == "given" and self.degradation != type(self).model_fields["degradation"].default:
            raise ValueError('with lr = "given" nothing is degraded; remove degradation')
        return self


class Stage(BaseModel):
    """A run of steps with one set of losses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    """Names the model file that the stage leaves."""

    steps: int = Field(ge=1)
    """Optimiser steps."""

    optimizer: Literal["adam", "muon"] = "adam"
    """What moves the generator; ``muon`` takes the large matrices and leaves the rest to Adam."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate of the generator, at its height."""

    discriminator_learning_rate: float = Field(default=2e-4, gt=0)
    """Adam's learning rate for the discriminator, at its height."""

    warm_up: int = Field(default=100, ge=0)
    """Steps over which the learning rate climbs to its height, from where a cosine takes it to zero."""

    clip: float = Field(default=1.0, gt=0)
    """Largest norm of the generator's gradient."""

    ema: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the moving average of the weights, which is what is kept."""

    crop: int | None = Field(default=None, ge=4, le=512)
    """Side of a crop in LR pixels, where it is not the run's."""

    posterior_share: float = Field(default=0.25, ge=0, le=1)
    """Share of the steps, evenly spread, that decode from the posterior; the rest decodes from the prior."""

    temperature: float = Field(default=0.0, ge=0)
    """Standard deviation of the noise in what is decoded from the prior; 0 takes its mean."""

    prior: dict[Loss, float] = {}
    """Weight of each loss on what is decoded from the prior."""

    posterior: dict[Loss, float] = {}
    """Weight of each loss on what is decoded from the posterior."""

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> Stage:
        for branch, steps in (("prior", self.posterior_share < 1), ("posterior", self.posterior_share > 0)):
            weights = getattr(self, branch)
            if steps and not any(weight for name, weight in weights.items() if name != "kl"):
                raise ValueError(f"{branch} needs a loss on the image, such as {branch} = {{ l1 = 1.0 }}")
        return self

    def uses(self, loss: str) -> bool:
        """Whether ``loss`` has a weight in this stage."""
        return any(name == loss and weight for table in (self.prior, self.posterior) for name, weight in table.items())


class Recipe(BaseModel):
    """Everything that decides a run, but for where the photos lie and where the results go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str = "reference"
    """Preset, or TOML file, of the network."""

    model: dict[str, Any] = {}
    """Changes to the preset."""

    seed: int = Field(default=0, ge=0)
    """Seed of weights, crops and noise."""

    precision: Literal["float32", "bf16"] = "bf16"
    """Arithmetic of the forward pass; weights and their averages stay float32."""

    validate_every: int = Field(default=1000, ge=1)
    """Steps between validations on whole images."""

    save_every: int = Field(default=250, ge=1)
    """Steps between checkpoints."""

    data: Data
    stages: tuple[Stage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names(self) -> Recipe:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"stages need names of their own, got {', '.join(names)}")
        return self

    def crop(self, stage: Stage) -> int:
        """Side of a stage's crops in LR pixels."""
        return stage.crop or self.data.crop

    def network(self) -> ModelConfig:
        """The network's configuration."""
        return ModelConfig.parse(
            merge(read_named("presets", self.preset), self.model), f"recipe's model (preset {self.preset!r})"
        )

    def hash(self) -> str:
        """Twelve hexadecimal digits that change with anything in the recipe or in the network it trains.

        A field marked `LATER` counts only where it differs from its default, which stands for what was done before the
        field existed: recipes that do not use it keep their hash, and so do the files of the models they made.
        """
        values = {**_counted(self), "network": self.network().to_dict()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _counted(table: BaseModel) -> dict[str, Any]:
    """JSON values of a table without those marked `LATER` that are as they would be anyway."""
    values = table.model_dump(mode="json")
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if LATER in field.metadata and value == field.get_default(call_default_factory=True):
            del values[name]
        elif isinstance(value, BaseModel):
            values[name] = _counted(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            values[name] = [_counted(each) for each in value]
    return values


def load_recipe(name: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """A shipped recipe by name, or the user's by path, with ``changes`` on top.

    Raises:
        ConfigError: There is no such recipe, or a key or value in it is not valid.
    """
    values = merge(read_named("recipes", name), changes or {})
    values.pop("summary", None)
    recipe = checked(Recipe, values, f"recipe {name!r}")
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
