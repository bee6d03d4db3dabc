"""Try timm's backbones as encoders of the reference preset, one JSON line per model.

    python benchmarks/timm_sweep.py specs      # every variant, on the meta device
    python benchmarks/timm_sweep.py families   # the smallest variant of every module of timm, with real numbers
    python benchmarks/timm_sweep.py table      # what came of both, into results/timm.md

``specs`` assembles the reference preset around each variant where tensors have shapes but no numbers, compares the
encoder's maps with what it declares, and puts an LR image of 64x64 through the whole model. ``families`` does so with
numbers: forward and backward with an HR image, a gradient for every parameter that is trained, the same result twice in
evaluation, and weights that survive a safetensors file; a network whose size can be chosen is built for the first of
`SIZES` that works. Both go on where they stopped, and begin with what tells most: one variant of each module before a
second of any, and small ones first.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections import Counter
from collections.abc import Callable
from math import lcm
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load, save
from timm.models import _registry

from srzoo.assembly import build_model
from srzoo.config import preset
from srzoo.errors import OptionError
from srzoo.layers.backbones import CHOSEN_SIZE, DYNAMIC_SIZE
from srzoo.messages import one_line
from srzoo.model import SRModel
from srzoo.registry import REGISTRY

RESULTS = Path(__file__).parent / "results"
CATALOGUE = {row["variant"]: row for row in REGISTRY.catalogue(REGISTRY.resolve("encoder", "timm").ref)}
LR = 64
"""Height and width of the LR image."""

SIZES = (64, 96, 112, 120, 128, 224, 0)
"""Sizes to build a network for in the real-number test; 0 is the one that it was trained at."""


def assembled(variant: str, device: str, size: int = 0) -> SRModel:
    """The reference preset around a variant."""
    config = preset("reference", {"encoder": {"name": f"timm/{variant}", "size": size}})
    return build_model(config, device=device, for_training=False)


def smallest(variant: str) -> tuple[SRModel, int]:
    """The reference preset around a variant that is built for the smallest size, and that size."""
    for size in SIZES:
        try:
            return assembled(variant, "cpu", size), size
        except OptionError as error:
            problem = error
    raise problem


def specs(variant: str) -> dict[str, Any]:
    """Whether a variant is what it declares on the meta device."""
    row = CATALOGUE[variant]
    model = assembled(variant, "meta").eval()
    first, encoder = model.pre_encoder.out_spec, model.encoder
    strides = [spec.stride / first.stride for spec in encoder.out_specs]
    if strides != row["strides"] or row["channels"] != [s.channels for s in encoder.out_specs]:
        raise AssertionError(f"declares {', '.join(map(str, encoder.out_specs))}, not what the catalogue says")
    seen: list[tuple[torch.Tensor, tuple[torch.Tensor, ...]]] = []
    handle = encoder.register_forward_hook(lambda _, inputs, maps: seen.append((inputs[0], maps)))
    with torch.no_grad():
        sr = model(torch.empty(1, 3, LR, LR, device="meta")).sr
    handle.remove()
    for features, maps in seen:
        height, width = features.shape[-2:]
        wanted = [(1, spec.channels, *spec.size(height, width)) for spec in encoder.out_specs]
        if [tuple(each.shape) for each in maps] != wanted:
            raise AssertionError(f"maps of {height}x{width} are {[tuple(m.shape) for m in maps]}, not {wanted}")
    if sr.shape != (1, 3, LR * model.scale, LR * model.scale):
        raise AssertionError(f"the image has the shape {tuple(sr.shape)}")
    return {
        "strides": row["strides"],
        "fixed_size": encoder.fixed_size,
        "multiple": encoder.multiple_of,
        "pads_to": model.multiple,
    }


def family(variant: str) -> dict[str, Any]:
    """Whether the smallest variant of a module works with real numbers."""
    model, size = smallest(variant)
    draw = torch.Generator().manual_seed(0)
    lr = torch.rand(2, 3, LR, LR, generator=draw)
    hr = torch.rand(2, 3, LR * model.scale, LR * model.scale, generator=draw)
    out = model.train()(lr, hr, model.noise(LR, LR))
    loss = (out.sr - hr).abs().mean()
    for gaussian in (*out.prior, *out.posterior):
        loss = loss + gaussian.mean.square().mean() + gaussian.log_variance.square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
    without = [name for name, each in trained.items() if each.grad is None or not torch.isfinite(each.grad).all()]
    if without or not torch.isfinite(out.sr).all():
        raise AssertionError(f"{len(without)} parameters have no finite gradient, the first is {without[:1]}")
    with torch.no_grad():
        once, again = (model.eval()(lr[:1]).sr for _ in range(2))
    if not torch.equal(once, again) or once.shape != (1, 3, LR * model.scale, LR * model.scale):
        raise AssertionError("evaluation is not deterministic")
    weights = model.encoder.state_dict()
    kept = load(save({name: each.contiguous() for name, each in weights.items()}))
    if any(not torch.equal(kept[name], each) for name, each in weights.items()):
        raise AssertionError("weights do not survive a file")
    idle = sum(1 for each in model.encoder.parameters() if not each.requires_grad)
    return {"size": size, "fixed_size": model.encoder.fixed_size, "loss": float(loss.detach()), "idle_parameters": idle}


def by_module() -> dict[str, list[str]]:
    """The variants of every module of timm, those with the fewest parameters first."""
    modules: dict[str, list[str]] = {}
    for variant in sorted(timm.list_models(), key=size_of):
        modules.setdefault(_registry._model_to_module[variant], []).append(variant)
    return modules


def size_of(variant: str) -> tuple[int, str]:
    """Parameters and name; what is not in the catalogue comes first."""
    return CATALOGUE.get(variant, {"params": 0})["params"], variant


def broad() -> list[str]:
    """Every variant that timm has, the smallest of each module before the second smallest of any."""
    ranks = {variant: rank for variants in by_module().values() for rank, variant in enumerate(variants)}
    return sorted(ranks, key=lambda variant: (ranks[variant], size_of(variant)))


def smallest_of_each_module() -> list[str]:
    """The variant with the fewest parameters of every module of timm."""
    return sorted((variants[0] for variants in by_module().values()), key=size_of)


def sweep(name: str, variants: list[str], check: Callable[[str], dict[str, Any]], only: list[str]) -> None:
    """Check what has no line yet."""
    file = RESULTS / f"timm-{name}.jsonl"
    file.touch()
    done = {json.loads(line)["variant"] for line in read(name)}
    for variant in variants:
        if variant in done or (only and variant not in only):
            continue
        row: dict[str, Any] = {"variant": variant, "module": _registry._model_to_module[variant]}
        start = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                row |= {"ok": True, **check(variant)}
        except Exception as error:
            row |= {"ok": False, "reason": one_line(error)[:300]}
        row["cpu_seconds"] = round(time.process_time() - start, 2)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")


def table() -> str:
    """What came of the sweeps, as Markdown."""
    rows = {name: [json.loads(line) for line in read(name)] for name in ("specs", "families")}
    lines = [
        "# timm's backbones as encoders",
        "",
        f"timm {timm.__version__}, torch {torch.__version__}, CPU; written by `benchmarks/timm_sweep.py table`.",
        f"Each is the encoder of the preset `reference`: {around()}.",
        "",
        "| test | passed | tried | there are |",
        "|---|--:|--:|--:|",
    ]
    for name, what, wanted in (
        ("specs", "every variant, meta device", broad()),
        ("families", "the smallest variant of every module, real numbers", smallest_of_each_module()),
    ):
        lines.append(f"| {what} | {sum(row['ok'] for row in rows[name])} | {len(rows[name])} | {len(wanted)} |")
    failed = [(name, row) for name in rows for row in rows[name] if not row["ok"]]
    lines += ["", *(f"- {name} {row['variant']}: {row['reason']}" for name, row in failed)] if failed else []
    lines += ["", "| input | variants | such as |", "|---|--:|---|"]
    groups: dict[str, list[str]] = {}
    for variant, row in CATALOGUE.items():
        groups.setdefault(takes(row), []).append(variant)
    lines += [f"| {key} | {len(groups[key])} | {groups[key][0]} |" for key in sorted(groups)]
    strides = Counter(", ".join(map(str, row["strides"])) for row in CATALOGUE.values())
    lines += ["", "| strides of the levels | variants |", "|---|--:|"]
    lines += [f"| {key} | {count} |" for key, count in strides.most_common()]
    lines += ["", "| module | smallest variant | size | loss | parameters not trained |", "|---|---|---|--:|--:|"]
    for row in sorted(rows["families"], key=lambda row: row["module"]):
        size = "any" if row.get("fixed_size") is None else "x".join(map(str, row["fixed_size"]))
        outcome = f"{size} | {row['loss']:.3f} | {row['idle_parameters']}" if row["ok"] else "failed | |"
        lines.append(f"| {row['module']} | {row['variant']} | {outcome} |")
    return "\n".join(lines) + "\n"


def around() -> str:
    """The other parts of the preset."""
    config = preset("reference")
    parts = {kind: getattr(config, kind).name for kind in ("pre_encoder", "latent", "decoder")}
    return f"x{config.scale}, " + ", ".join(f"{kind.replace('_', '-')} `{name}`" for kind, name in parts.items())


def takes(row: dict[str, Any]) -> str:
    """What sizes a variant takes, in words."""
    chosen = "another can be chosen" if CHOSEN_SIZE in row["handling"] else "no other"
    if row["fixed_size"]:
        return f"one size, {chosen}"
    windows = "" if row["multiple"] == lcm(*row["strides"]) else ", in whole windows"
    asked = ", positions or masks made for each" if DYNAMIC_SIZE in row["handling"] else ""
    return f"any size{windows}{asked}"


def read(name: str) -> list[str]:
    """The lines of a sweep's results."""
    return (RESULTS / f"timm-{name}.jsonl").read_text(encoding="utf-8").splitlines()


def main() -> None:
    """Run one of the sweeps, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("specs", "families", "table"))
    parser.add_argument("variants", nargs="*", help="only these")
    arguments = parser.parse_args()
    if arguments.what == "specs":
        sweep("specs", broad(), specs, arguments.variants)
    elif arguments.what == "families":
        sweep("families", smallest_of_each_module(), family, arguments.variants)
    else:
        (RESULTS / "timm.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
