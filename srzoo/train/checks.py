"""What is refused before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from srzoo.config import ModelConfig
from srzoo.contracts import Discriminator
from srzoo.errors import CheckpointError, TrainingError
from srzoo.model import SRModel
from srzoo.train.alone import alone_in
from srzoo.train.objective import Objective
from srzoo.train.recipe import Recipe
from srzoo.train.record import LEDGER
from srzoo.train.state import INDEX, Groups, Progress, load_state
from srzoo.train.step import trained_parts


def whole_scale(config: ModelConfig) -> int:
    """The scale of a network that is to be trained.

    Raises:
        TrainingError: It is not whole, so that no HR crop belongs to every LR crop.
    """
    scale = config.scale
    if not isinstance(scale, int):
        raise TrainingError(f"cannot train at x{scale}: set model.scale to a whole number, and use the model at that")
    return scale


def saved_state(folder: Path, recipe: Recipe, resume: bool) -> tuple[Progress, dict[str, Any], Groups] | None:
    """The folder's checkpoint, where it is to be taken up; one that never took a step may be written over.

    Raises:
        TrainingError: It is not to be taken up, belongs to another recipe, or another run is at work there.
        CheckpointError: It is damaged.
    """
    try:
        saved = load_state(folder)
    except CheckpointError:
        with alone_in(folder):  # a run at work there replaces its files while they are read
            raise
    if saved is None:
        for name in (LEDGER, *(f"{stage.name}.safetensors" for stage in recipe.stages)):
            if (folder / name).exists():
                raise TrainingError(
                    f"{folder} holds {name} and no checkpoint to go on from; choose another --output, or remove it"
                )
    if saved is None or not (resume or saved[0].step):
        return None
    if not resume:
        raise TrainingError(f"{folder} holds a run; go on with --resume, or choose another --output")
    if lacking := {"recipe", "guard", "scaler"} - saved[1].keys():
        raise CheckpointError(
            f"{folder / INDEX} lacks {', '.join(sorted(lacking))}: it was changed; train again with another --output"
        )
    if saved[1]["recipe"] != recipe.hash():
        raise TrainingError(
            f"{folder} belongs to another recipe: --set and --from count as well; choose another --output, or remove it"
        )
    return saved


def check_sizes(
    recipe: Recipe,
    config: ModelConfig,
    objectives: Sequence[Objective],
    discriminator: Discriminator | None,
    processes: int,
) -> None:
    """Whether every stage's crops are large enough for what looks at them, and its batches can be shared.

    Args:
        recipe: Says how large they are.
        config: Its network.
        objectives: Those of its stages.
        discriminator: Where there is one.
        processes: How many share a batch.

    Raises:
        TrainingError: A stage's are not.
    """
    scale = whole_scale(config)
    for stage, objective in zip(recipe.stages, objectives, strict=True):
        side = recipe.crop(stage) * scale
        needs = [("its losses", objective.min_size)]
        if objective.adversarial and discriminator is not None:
            needs.append((f"discriminator {config.discriminator.name}", discriminator.min_size))
        for who, smallest in needs:
            if side < smallest:
                raise TrainingError(
                    f"stage {stage.name}: HR crops of {side} pixels are too small for {who}, "
                    f"which needs {smallest}; raise crop"
                )
        if (recipe.batch(stage) // stage.accumulate) % processes:
            raise TrainingError(
                f"stage {stage.name}: {processes} processes cannot share a batch of "
                f"{recipe.batch(stage)} in {stage.accumulate} parts evenly; set stages.{stage.name}.batch"
            )


def check_parts(recipe: Recipe, model: SRModel) -> None:
    """Whether every stage has weights to train.

    Args:
        recipe: Says which parts.
        model: The generator, fresh, with gradients wanted for what can be learned.

    Raises:
        TrainingError: A stage has none.
    """
    for stage in recipe.stages:
        parts = trained_parts(model, stage)
        if not any(parameter.requires_grad for part in parts for parameter in part.parameters()):
            raise TrainingError(f"stage {stage.name}: {', '.join(stage.train)} of this network has no weights to train")


def check_samples(recipe: Recipe, config: ModelConfig, objectives: Sequence[Objective], model: SRModel) -> None:
    """Whether stages whose losses compare samples have samples that differ.

    Args:
        recipe: Says at what temperature they are drawn.
        config: Its network.
        objectives: Those of its stages.
        model: Draws them, or cannot.

    Raises:
        TrainingError: A stage's do not differ.
    """
    for stage, objective in zip(recipe.stages, objectives, strict=True):
        for name, branch in objective.branches.items():
            for term in branch.samples:
                if not model.draws_samples:
                    raise TrainingError(
                        f"stage {stage.name}: {term} compares samples, and latent {config.latent.name} draws none; "
                        f"take one that does, such as conditional, or leave the stage out: stages.{stage.name}.steps=0"
                    )
                if name == "prior" and not stage.temperature:
                    raise TrainingError(
                        f"stage {stage.name}: {term} compares samples, which do not differ at temperature 0; "
                        "set temperature = 1.0"
                    )
