"""What ``import srzoo`` offers; each function imports what it needs when it is called."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srzoo.errors import UsageError

if TYPE_CHECKING:
    import pandas
    import torch

    from srzoo.data.pairs import ImagePair
    from srzoo.model import Model, SRModel
    from srzoo.protocol import Protocol
    from srzoo.scale import Scale
    from srzoo.scoring import Evaluation, Explanation, FinishedImages

Name = str | os.PathLike[str]
"""A model's name or the path of its file."""


def build(
    preset: str = "reference",
    *,
    scale: Scale | float | str | None = None,
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
        scale: Enlargement factor, such as 4, or 2.5 and ``"5/2"`` with a decoder for any scale.
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
    from srzoo.zoo import usable_device

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
    place = device if str(device) == "meta" else usable_device(device)
    return build_model(read_preset(preset, given), seed=seed, device=place)


@dataclass(frozen=True)
class _Sampling:
    """A model with a temperature, a seed and the number of a sample, as the scorer wants it."""

    model: Model
    temperature: float
    seed: int
    number: int = 0

    @property
    def scale(self) -> Scale:
        return self.model.scale

    def upscale(self, image: Any, /) -> Any:
        return self.model.upscale(image, temperature=self.temperature, seed=self.seed, sample=self.number)


def finished_folder(model: Name | Model) -> Path | None:
    """The folder of finished images that ``model`` is the path of, or None where it is a model.

    Raises:
        UsageError: It is neither.
    """
    from srzoo import zoo

    if not isinstance(model, str | os.PathLike):
        return None
    text, marked = zoo.without_mark(os.fspath(model))
    file = None if marked else zoo.find_file(text)
    return file if file is not None and file.is_dir() else None


def evaluate(
    model: Name | Model,
    data: Name | Sequence[ImagePair] | None = None,
    *,
    scale: Scale | float | str | None = None,
    protocol: str | Protocol = "classic",
    metrics: str | Sequence[str] | None = None,
    samples: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Evaluation:
    """Measure a model, or a folder of finished images, under a fixed protocol.

    Finished images are matched with HR by name (`srzoo.scoring.FinishedImages`). Without ``data`` they are scored
    alone, by metrics that need no HR.

    Args:
        model: A model, what `srzoo.load` takes, or a folder of finished images.
        data: What `srzoo.data.pairs.pairs_of` takes: a folder of HR images, or of ``HR/`` and ``LR/``; a data set;
            image pairs; or None for the embedded photos.
        scale: Enlargement factor, for a model given by name or for finished images, such as 4 or 2.5.
        protocol: The rules: a name, with other rules where they are given, such as ``"classic,border=0"``.
        metrics: Names (see ``srzoo eval --list-metrics``), also in one text with commas between; None for the
            protocol's own PSNR and SSIM, and LR-PSNR.
        samples: How many samples to draw of each image, for the metrics that compare samples; all others are of the
            first.
        temperature: Standard deviation of the latent's noise; 0 takes its mean.
        seed: Seed of the noise; the samples differ in their number.
        device: Where to compute, for a model given by name and for metrics with a network.
        progress: Called after each image with how many are done, how many there are, and the image's name.

    Raises:
        SrzooError: The model, the data, the protocol or a metric cannot be used.
    """
    from srzoo import scoring, zoo

    folder = finished_folder(model)
    place = zoo.usable_device(device)
    metrics = [name.strip() for name in metrics.split(",")] if isinstance(metrics, str) else metrics
    if samples < 1:
        raise UsageError(f"at least one sample of an image is drawn, not {samples}")
    if samples > 1 and (temperature == 0 or folder is not None):
        raise UsageError(f"{samples} samples of an image: a model draws several at a temperature above 0, such as 0.8")
    if folder is not None and data is None:
        return scoring.evaluate_alone(folder, metrics=metrics, device=place, progress=progress)
    rules = _rules(protocol)
    first, pairs = _source(model, folder, data, scale, rules, temperature, seed, device)
    draws = [replace(first, number=number) for number in range(1, samples)] if isinstance(first, _Sampling) else []
    return scoring.evaluate(first, pairs, protocol=rules, metrics=metrics, draws=draws, device=place, progress=progress)


def explain_protocol(
    model: Name | Model,
    data: Name | Sequence[ImagePair] | None = None,
    *,
    scale: Scale | float | str | None = None,
    protocol: str | Protocol = "classic",
    temperature: float = 0.0,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Explanation:
    """Score the same images under a protocol, under all named ones, and under each usual slip from it.

    Args:
        model: See `evaluate`. For ``bicubic`` there is one more row, that of OpenCV's cubic.
        data: See `evaluate`; finished images need it.
        scale: See `evaluate`.
        protocol: What the others are held against; see `evaluate`.
        temperature: See `evaluate`.
        seed: See `evaluate`.
        device: See `evaluate`.
        progress: See `evaluate`.

    Raises:
        SrzooError: The model, the data or the protocol cannot be used.
    """
    from srzoo import scoring

    folder = finished_folder(model)
    if folder is not None and data is None:
        raise UsageError("finished images are compared with HR: give --data")
    rules = _rules(protocol)
    source, pairs = _source(model, folder, data, scale, rules, temperature, seed, device)
    others = {}
    if isinstance(source, _Sampling) and source.model.config.get("upscaler", {}).get("name") == "srzoo:bicubic":
        others[scoring.CV2_CUBIC] = scoring.Cv2Cubic(source.scale)
    return scoring.explain(source, pairs, base=rules, others=others, progress=progress)


def _rules(protocol: str | Protocol) -> Protocol:
    from srzoo.protocol import get_protocol

    return get_protocol(protocol) if isinstance(protocol, str) else protocol


def _source(
    model: Name | Model,
    folder: Path | None,
    data: Name | Sequence[ImagePair] | None,
    scale: Scale | float | str | None,
    rules: Protocol,
    temperature: float,
    seed: int,
    device: torch.device | str,
) -> tuple[_Sampling | FinishedImages, Sequence[ImagePair]]:
    """What makes or has SR, and the image pairs."""
    from srzoo import scoring, zoo
    from srzoo.data.pairs import pairs_of

    source: _Sampling | FinishedImages
    if folder is None:
        loaded = zoo.load(model, scale, device) if isinstance(model, str | os.PathLike) else model
        if not hasattr(loaded, "upscale"):
            raise UsageError(f"a {type(model).__name__} is no model: give its name, its file, or what load returns")
        if scale is not None and loaded.scale != zoo.usable_scale(scale):
            raise UsageError(f"the model enlarges x{loaded.scale}, not x{scale}: leave out scale, or load another")
        source = _Sampling(loaded, temperature, seed)
    else:
        wanted = scoring.scale_of(data) if scale is None else zoo.usable_scale(scale)
        source = scoring.FinishedImages(folder, wanted)
    return source, pairs_of(data, source.scale, rules)


def bench(
    models: Name | Sequence[Name] | None = None,
    data: Name | Sequence[ImagePair] | None = None,
    *,
    scale: int = 4,
    results: Name | None = None,
    fresh: bool = False,
    device: torch.device | str = "cpu",
) -> pandas.DataFrame:
    """Measure several models under the same rules, on the same images, on this machine.

    Args:
        models: What `srzoo.load` takes, one or several; None for all shipped models of that scale and the plain
            upscalers.
        data: See `evaluate`.
        scale: Enlargement factor.
        results: Folder where results are kept and found again; None keeps nothing.
        fresh: Measure again what the folder already holds.
        device: Where to compute.

    Returns:
        One row per model, best first. ``attrs`` hold ``protocol``, ``data``, ``environment``, and under ``failed``
        the models that could not be measured with the reason.

    Raises:
        SrzooError: The data, the scale or the device cannot be used.
    """
    import pandas

    from srzoo.benchmark.report import Row
    from srzoo.benchmark.run import run
    from srzoo.data.pairs import pairs_of
    from srzoo.zoo import usable_scale

    if isinstance(models, str | os.PathLike):
        models = [models]
    if models is not None and not (
        isinstance(models, Sequence) and all(isinstance(each, str | os.PathLike) for each in models)
    ):
        raise UsageError("models are ranked by name or file: save one first, or measure it by evaluate")
    wanted = usable_scale(scale)
    if not isinstance(wanted, int):
        raise UsageError(f"models are ranked at whole scales, not at x{wanted}: evaluate measures one at any")
    names = None if models is None else [os.fspath(model) for model in models]
    folder = None if results is None else Path(results)
    outcome = run(names, pairs_of(data, wanted), scale=wanted, results=folder, fresh=fresh, device=device)
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
