"""What ``import srzoo`` offers; each function imports what it needs when it is called."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas
    import torch

    from srzoo.data.pairs import ImagePair
    from srzoo.model import Model, SRModel
    from srzoo.scoring import CanUpscale, Evaluation

Name = str | os.PathLike[str]
"""A model's name or the path of its file."""


def build(
    preset: str = "reference",
    *,
    scale: int | None = None,
    skips: bool | None = None,
    base: str | Mapping[str, Any] | None = None,
    pre_encoder: str | Mapping[str, Any] | None = None,
    encoder: str | Mapping[str, Any] | None = None,
    latent: str | Mapping[str, Any] | None = None,
    decoder: str | Mapping[str, Any] | None = None,
    discriminator: str | Mapping[str, Any] | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> SRModel:
    """Assemble an untrained model: a preset with other parts in place of some of its own.

    A part is given by name, or as a mapping with ``name`` and options, such as ``{"name": "attn", "blocks": 3}``; a
    mapping without ``name`` changes options of the preset's part. What is None stays as the preset has it.

    Args:
        preset: Name of a preset (see ``available("presets")``), or a TOML file.
        scale: Enlargement factor.
        skips: Whether the decoder sees the encoder's maps beside the latent.
        base: Upscaler whose image the network adds to, or ``"none"``.
        pre_encoder: First features of the LR image.
        encoder: Features from fine to deep.
        latent: Bottleneck on the deepest features.
        decoder: From features to the image.
        discriminator: What judges images in training.
        seed: Seed of the initial weights.
        device: Where to make them; ``"meta"`` checks every seam without a single tensor.

    Raises:
        SrzooError: A name, an option or a combination of parts is not valid.
    """
    from srzoo.assembly import build_model
    from srzoo.config import preset as read_preset

    changes = {
        "scale": scale,
        "skips": skips,
        "base": base,
        "pre_encoder": pre_encoder,
        "encoder": encoder,
        "latent": latent,
        "decoder": decoder,
        "discriminator": discriminator,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    return build_model(read_preset(preset, given), seed=seed, device=device)


@dataclass(frozen=True)
class _Sampling:
    """A model with a temperature and a seed, as the scorer wants it."""

    model: Model
    temperature: float
    seed: int

    @property
    def scale(self) -> int:
        return self.model.scale

    def upscale(self, image: Any, /) -> Any:
        return self.model.upscale(image, temperature=self.temperature, seed=self.seed)


def evaluate(
    model: Name | Model,
    data: Name | Sequence[ImagePair] | None = None,
    *,
    scale: int | None = None,
    temperature: float = 0.0,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Evaluation:
    """Measure a model under the fixed protocol.

    Args:
        model: A model, or what `srzoo.load` takes.
        data: A folder of HR images, or of ``HR/`` and ``LR/``; image pairs; or None for the embedded photos.
        scale: Enlargement factor, for a model given by name.
        temperature: Standard deviation of the latent's noise; 0 takes its mean.
        seed: Seed of the noise.
        device: Where to compute, for a model given by name.
        progress: Called after each image with how many are done, how many there are, and the image's name.

    Raises:
        SrzooError: The model or the data cannot be used.
    """
    from srzoo import scoring, zoo
    from srzoo.data.pairs import pairs_of

    loaded = zoo.load(model, scale, device) if isinstance(model, str | os.PathLike) else model
    used: CanUpscale = _Sampling(loaded, temperature, seed)
    return scoring.evaluate(used, pairs_of(data, loaded.scale), progress=progress)


def bench(
    models: Sequence[Name] | None = None,
    data: Name | Sequence[ImagePair] | None = None,
    *,
    scale: int = 4,
    results: Name | None = None,
    fresh: bool = False,
    device: torch.device | str = "cpu",
) -> pandas.DataFrame:
    """Measure several models under the same rules, on the same images, on this machine.

    Args:
        models: What `srzoo.load` takes; None for all shipped models of that scale and the plain upscalers.
        data: See `evaluate`.
        scale: Enlargement factor.
        results: Folder where results are kept and found again; None keeps nothing.
        fresh: Measure again what the folder already holds.
        device: Where to compute.

    Returns:
        One row per model, best first. ``attrs`` hold ``protocol``, ``data``, ``environment``, and under ``failed``
        the models that could not be measured with the reason.

    Raises:
        SrzooError: The data or the device cannot be used.
    """
    import pandas

    from srzoo.benchmark.report import Row
    from srzoo.benchmark.run import run
    from srzoo.data.pairs import pairs_of

    names = None if models is None else [os.fspath(model) for model in models]
    folder = None if results is None else Path(results)
    outcome = run(names, pairs_of(data, scale), scale=scale, results=folder, fresh=fresh, device=device)
    rows = [asdict(row) for row in outcome.board.rows]
    frame = pandas.DataFrame(rows, columns=[field.name for field in fields(Row)])
    frame.attrs.update({key: value for key, value in outcome.to_dict().items() if key != "rows"})
    return frame


def available(kind: str) -> list[str]:
    """Names of what there is to choose from.

    Args:
        kind: A kind of part such as ``"encoders"``, or ``"presets"``, ``"recipes"`` or ``"models"``; the plural or
            the singular.

    Returns:
        Names as `build` and `load` take them: a third party's part is qualified where its bare name means another.

    Raises:
        UsageError: There is no such kind.
    """
    folder = next((name for name in ("presets", "recipes") if kind.lower() in (name, name[:-1])), None)
    if folder is not None:
        from srzoo.config import shipped as shipped_files

        return list(shipped_files(folder))
    if kind.lower() in ("model", "models"):
        from srzoo.zoo import shipped as shipped_models

        return list(shipped_models())
    from srzoo.registry import REGISTRY, find_kind

    refs = REGISTRY.parts(find_kind(kind).name)
    names = [ref.name for ref in refs]
    return [ref.name if names.count(ref.name) == 1 or ref.distribution == "srzoo" else ref.qualified for ref in refs]
