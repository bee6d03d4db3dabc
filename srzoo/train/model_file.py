"""The model file that a stage leaves, with what it says of how it came about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from srzoo import checkpoint
from srzoo.data.photos import Photos
from srzoo.degrade import resolved_steps
from srzoo.model import SRModel
from srzoo.train.recipe import Recipe


def write_model(
    path: Path, model: SRModel, recipe: Recipe, stages: int, *, precision: str, photos: Photos, licence: str
) -> None:
    """Write a trained model, training parts included.

    Args:
        path: Where to.
        model: What was trained.
        recipe: By what.
        stages: How many of its stages are done.
        precision: Arithmetic of the forward pass.
        photos: What it was trained on.
        licence: Terms that bind it; empty where it is free.

    Raises:
        WriteError: It cannot be written.
    """
    training: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json"),
        "recipe_hash": recipe.hash(),
        "stages": [stage.name for stage in recipe.stages[:stages]],
        "precision": precision,
        "photos": {"count": photos.count, "unused": len(photos.unused), "fingerprint": photos.fingerprint},
        "lr": resolved_steps(recipe.data.degradation) if recipe.data.lr == "made" else "given",
    }
    extra = {"training": training, **({"licence": licence} if licence else {})}
    checkpoint.save_model(model, path, training_parts=True, extra=extra)
