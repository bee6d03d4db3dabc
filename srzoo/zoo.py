"""Models by name: shipped weights, model files, and upscalers that need no weights of srzoo's."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from srzoo import config
from srzoo.assembly import build_upscaler
from srzoo.checkpoint import load_model, read_header
from srzoo.errors import FixedScaleError, UsageError
from srzoo.messages import suggestion
from srzoo.model import Model
from srzoo.registry import OWN, REGISTRY
from srzoo.scale import Scale, exact_scale
from srzoo.self_ensemble import MARK, SelfEnsemble

SUFFIX = ".safetensors"
"""Ending of a model file's name."""

PLUGINS = {"spandrel": "srzoo-spandrel", "onnx": "srzoo-onnx"}
"""srzoo's own plugins that open the files of others, by the family that they offer."""


def shipped() -> dict[str, Path]:
    """Model files that srzoo ships, by name."""
    return {file.stem: file for file in sorted((Path(__file__).parent / "weights").glob(f"*{SUFFIX}"))}


def plain_upscalers() -> list[str]:
    """Names of srzoo's own upscalers, which take any scale."""
    return [ref.name for ref in REGISTRY.parts("upscaler") if ref.distribution == OWN]


def reference(scale: Scale | None = None) -> str:
    """Name of the model to take where none is named: the reference, or that of its scale where one ships."""
    name = f"reference-x{scale}"
    return name if name in shipped() else "reference"


def load(
    name_or_path: str | os.PathLike[str],
    scale: Scale | float | str | None = None,
    device: torch.device | str = "cpu",
) -> Model:
    """Load a model, ready for use.

    Args:
        name_or_path: A shipped model's name; a model file (``*.safetensors``); or an upscaler: ``bicubic``,
            ``distribution:name``, or ``family/variant`` such as ``spandrel/PATH`` and ``onnx/PATH`` of the plugins of
            those names. Names win over files: write ``./bicubic`` for a file of that name. A ``+`` behind any of these
            takes its self-ensemble (`srzoo.self_ensemble.SelfEnsemble`).
        scale: Enlargement factor that is wanted, such as 4, 2.5 or ``"5/2"``; None takes the model's own, which for a
            plain upscaler is 4. Plain upscalers and models whose decoder is made for it serve any.
        device: Where to compute; ``"auto"`` takes a CUDA device where there is one.

    Raises:
        UsageError: There is no such model or device, or it enlarges by another factor.
        CheckpointError: The file cannot be read.
        BrokenPluginError: A third party's upscaler fails.
    """
    place = usable_device(device)
    wanted = None if scale is None else usable_scale(scale)
    text, marked = without_mark(os.fspath(name_or_path))
    model = _load(text, wanted, place)
    return SelfEnsemble(model).eval() if marked else model


def _load(text: str, wanted: Scale | None, place: torch.device) -> Model:
    file = find_file(text)
    if file is None:
        return build_upscaler(text, wanted).to(place).eval()
    try:
        return load_model(file, device=place, scale=wanted)
    except FixedScaleError:
        found = read_header(file)["config"]["scale"]
        raise UsageError(f"{text} enlarges x{found}, not x{wanted}: {_who_enlarges(wanted)}") from None


def find_file(text: str) -> Path | None:
    """The file of a model, or None for an upscaler, which has none of srzoo's.

    Raises:
        UsageError: There is no such model.
    """
    files = shipped()
    if text in files:
        return files[text]
    if _is_upscaler(text):
        return None
    if not text or not os.path.exists(text):
        raise _not_found(text)
    return Path(text)


def without_mark(text: str) -> tuple[str, bool]:
    """What stands before the mark of a self-ensemble, and whether there is one; a file may well be called so.

    Raises:
        UsageError: What is marked is a folder, such as one of finished images.
    """
    stem = text.removesuffix(MARK)
    if stem in ("", text):
        return text, False
    named = stem in shipped() or _is_upscaler(stem)
    if not named and Path(text).exists():
        return text, False
    if not named and Path(stem).is_dir():
        raise UsageError(f"{stem} is a folder, and what is in it has no self-ensemble: leave out the {MARK}")
    return stem, True


def usable_scale(scale: Scale | float | str) -> Scale:
    """The exact scale, as `srzoo.scale.exact_scale` reads it; UsageError where there is none."""
    try:
        return exact_scale(scale)
    except ValueError as error:
        raise UsageError(str(error)) from None


def usable_device(device: torch.device | str) -> torch.device:
    """The device of that name, tried out.

    Raises:
        UsageError: There is no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        tried = torch.zeros(1, device=device)
        tried.cpu()  # of a device that holds no values, such as meta, nothing comes back
        return tried.device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"device {str(device)!r} cannot be used here ({reason}): write cpu, or auto") from None


def _is_upscaler(text: str) -> bool:
    family = text.partition("/")[0]
    known = {name for ref in REGISTRY.parts("upscaler") for name in (ref.name, ref.qualified)}
    return family in known or (":" in family and not Path(text).exists() and not text.endswith(SUFFIX))


def _who_enlarges(wanted: Scale | None) -> str:
    scales = {name: read_header(file)["config"]["scale"] for name, file in shipped().items()}
    there = ", ".join(name for name, scale in scales.items() if scale == wanted)
    own = ", ".join(f"x{scale}" for scale in sorted(set(scales.values())))
    plain = ", ".join(plain_upscalers())
    shipped_ones = f"{there} {'does' if ',' not in there else 'do'}; " if there else f"shipped models enlarge {own}; "
    return f"{shipped_ones}{plain} take any scale, and so do models with a decoder for it, such as implicit"


def _not_found(text: str) -> UsageError:
    if text.endswith(MARK) and len(text) > len(MARK):
        return UsageError(f"{text} is a self-ensemble, which has no weights of its own: leave out the {MARK}")
    family, slash, _ = text.partition("/")
    if slash and family in PLUGINS:
        return UsageError(f"upscaler {family!r} comes with {PLUGINS[family]}: install that, or see: srzoo plugins")
    if text.endswith(SUFFIX):
        hint = suggestion(Path(text).stem, [file.stem for file in Path(text).parent.glob(f"*{SUFFIX}")])
        return UsageError(f"model file {text} does not exist{hint}: check the path")
    presets = config.shipped("presets")
    if text in presets:
        return UsageError(
            f"{text!r} is a preset, which has no weights: srzoo build {text} -o model{SUFFIX} assembles it untrained, "
            "srzoo train RECIPE trains one"
        )
    upscalers = [ref.name for ref in REGISTRY.parts("upscaler")]
    known = [*shipped(), *upscalers]
    return UsageError(
        f"there is no model {text!r}{suggestion(text, [*known, *presets])}: "
        f"write a model file (*{SUFFIX}) or one of {', '.join(known)}"
    )
