"""An assembled network on one page: part by part, and how data flows through it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from srzoo.assembly import build_discriminator, build_model
from srzoo.config import STAGES, ModelConfig
from srzoo.errors import UsageError
from srzoo.model import SRModel
from srzoo.scale import Scale, plain, scaled_size


@dataclass(frozen=True)
class PartRow:
    """One part of an assembled network."""

    kind: str
    part: str
    """Qualified name."""
    takes: str
    """Specs that it is handed."""
    gives: str
    """Specs that it declares."""
    parameters: int
    """Weights that using it needs."""
    training_parameters: int
    """Weights that only training looks at."""
    macs: int
    """Multiply-accumulates at the stated size; of the discriminator, on the HR image."""


@dataclass(frozen=True)
class Summary:
    """What `summarize` found."""

    scale: Scale
    size: tuple[int, int]
    """Height and width of the LR image that MACs are stated for."""
    multiple: int
    """LR images are padded to multiples of this."""
    parts: tuple[PartRow, ...]
    flow: str
    """The data flow, drawn in characters."""

    @property
    def parameters(self) -> int:
        """Weights that using the network needs."""
        return sum(row.parameters for row in self.parts if row.kind != "discriminator")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the generator at the stated size."""
        return sum(row.macs for row in self.parts if row.kind != "discriminator")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "scale": plain(self.scale), "parameters": self.parameters, "macs": self.macs}


def summarize(config: ModelConfig, size: tuple[int, int] = (180, 320)) -> Summary:
    """Assemble on the meta device, where nothing is computed, and count.

    Args:
        config: The network.
        size: Height and width of the LR image that MACs are stated for.

    Raises:
        UsageError: The image is too small for the discriminator.
    """
    model = build_model(config, device="meta")
    counts = _macs(model, torch.empty(1, 3, *size, device="meta"))
    pre, encoder, latent = model.pre_encoder, model.encoder, model.latent
    skips = (pre.out_spec, *encoder.out_specs[:-1]) if model.skips else ()
    seams = {
        "pre_encoder": ("3ch /1", str(pre.out_spec)),
        "encoder": (str(pre.out_spec), ", ".join(map(str, encoder.out_specs))),
        "latent": (str(encoder.out_specs[-1]), str(latent.out_spec)),
        "decoder": (", ".join(map(str, (*skips, latent.out_spec))), f"3ch x{model.scale}"),
    }
    rows = [
        PartRow(
            kind,
            model.config[kind]["name"],
            *seams[kind],
            *_parameters(getattr(model, kind)),
            counts.get(kind, 0),
        )
        for kind in STAGES
    ]
    discriminator = build_discriminator(config, device="meta")
    height, width = scaled_size(size, model.scale)
    if min(height, width) < discriminator.min_size:
        raise UsageError(
            f"discriminator {config.discriminator.name} needs {discriminator.min_size} HR pixels per side, "
            f"an LR image of {size[0]}x{size[1]} gives {height}x{width}: state a larger size"
        )
    judged = torch.empty(1, 3, height, width, device="meta")
    rows.append(
        PartRow(
            "discriminator",
            model.config["discriminator"]["name"],
            f"3ch x{model.scale}",
            "logits",
            *_parameters(discriminator),
            _macs(discriminator, judged).get("", 0),
        )
    )
    return Summary(model.scale, size, model.multiple, tuple(rows), _flow(model, rows))


def _parameters(part: nn.Module) -> tuple[int, int]:
    only = tuple(getattr(part, "training_only", ()))
    training = sum(p.numel() for name, p in part.named_parameters() if name.startswith(only)) if only else 0
    return sum(p.numel() for p in part.parameters()) - training, training


def _macs(module: nn.Module, image: torch.Tensor) -> dict[str, int]:
    """Multiply-accumulates by child; the whole under the empty name."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(image)
    flops = {name: sum(values.values()) for name, values in counter.get_flop_counts().items()}
    root = type(module).__name__
    children = {
        name.removeprefix(f"{root}."): count // 2 for name, count in flops.items() if name.startswith(f"{root}.")
    }
    return {**children, "": flops.get("Global", 0) // 2}


def _flow(model: SRModel, rows: list[PartRow]) -> str:
    pre, encoder, latent, decoder, _ = (f"{row.part} -> {row.gives}" for row in rows)
    base = model.config["base"]
    skips = model.skips
    lines = [
        "LR image 3ch /1",
        f"  | pad to multiples of {model.multiple}",
        f"pre-encoder  {pre}" + ("  ------ skip --." if skips else ""),
        f"encoder      {encoder}" + ("  -- skips --|" if skips and len(model.encoder.out_specs) > 1 else ""),
        f"latent       {latent}" + (f"  (noise {', '.join(map(str, model.noise_specs))})" if model.noise_specs else ""),
        f"decoder      {decoder}" + ("  <-----------'" if skips else ""),
        "  | crop" + (f", + {base['name']}(LR)" if base != "none" else ""),
        f"SR image 3ch x{model.scale}",
    ]
    return "\n".join(lines)
