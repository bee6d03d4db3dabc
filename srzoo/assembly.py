"""From a configuration to a network: every part is resolved, checked against its neighbours, and wired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from operator import index
from typing import Any

import torch

from srzoo import options
from srzoo.config import STAGES, ModelConfig, PartConfig
from srzoo.contracts import Decoder, Discriminator, Encoder, Latent, Part, PreEncoder, Upscaler
from srzoo.errors import AssemblyError
from srzoo.messages import shortened
from srzoo.model import SRModel, WholeModel
from srzoo.parts import PartRef
from srzoo.registry import REGISTRY, Registry, ResolvedPart
from srzoo.scale import Scale, plain
from srzoo.seams import broken
from srzoo.spec import Spec, common_multiple

RGB = Spec(3)
"""The LR image."""


@dataclass(frozen=True)
class Chosen:
    """A part that was looked up, with all its options written out."""

    kind: str
    part: ResolvedPart
    options: dict[str, Any]

    @property
    def owner(self) -> str:
        """How messages name it."""
        return owner(self.kind, self.part.ref)

    def to_dict(self) -> dict[str, Any]:
        """One table, as `srzoo.config.PartConfig` reads it."""
        return {"name": self.part.ref.qualified, **self.options}


def owner(kind: str, ref: PartRef) -> str:
    """How messages name a part."""
    return f"{kind.replace('_', '-')} {ref.qualified}"


def choose(kind: str, config: PartConfig, registry: Registry | None = None) -> Chosen:
    """Look a part up and check its options, without constructing it.

    Raises:
        PartNotFoundError: No distribution offers it.
        OptionError: An option is unknown or out of range.
    """
    part = (registry or REGISTRY).resolve(kind, config.name)
    given = dict(config.options)
    if part.variant is not None:
        given["variant"] = part.variant
    return Chosen(kind, part, options.resolve(part.ref.load(), given, owner(kind, part.ref)))


def _construct(chosen: Chosen, seed: int, device: torch.device, *given: Any) -> Any:
    """Make a part; its weights depend on the seed and its kind, not on the device, and global generators stay alone."""
    number = (index(seed) * 1_000_003 + sum(chosen.kind.encode())) % 2**63
    with torch.random.fork_rng(devices=[]), torch.device("meta" if device.type == "meta" else "cpu"):
        torch.default_generator.manual_seed(number)  # torch.manual_seed would reach every GPU
        part = options.construct(chosen.part.ref.load(), *given, options=chosen.options, owner=chosen.owner)
    return part if device.type == "meta" else part.to(device)


def _declared(chosen: Chosen, part: Part, attribute: str) -> Any:
    """What a part says of itself; BrokenPluginError where it does not, or says something else than it should."""
    value = getattr(part, attribute, None)
    fits, what = _DECLARATIONS[attribute]
    if value is None or value == ():
        raise broken(chosen.kind, chosen.part.ref.qualified, f"does not declare {attribute}")
    if not fits(value):
        said = f"declares {attribute} as {shortened(repr(value))}, which is no {what}"
        raise broken(chosen.kind, chosen.part.ref.qualified, said)
    return value


def _is_specs(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, Spec) for each in value)


_DECLARATIONS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "out_spec": (lambda value: isinstance(value, Spec), "Spec"),
    "out_specs": (_is_specs, "tuple of Specs"),
    "multiple_of": (lambda value: type(value) is int and value >= 1, "whole number from 1"),
    "scale": (lambda value: type(value) in (int, Fraction) and value >= 1, "whole number or Fraction from 1"),
}
"""What a part may say of itself, and what that is called."""


def _check_strides(first: Spec, specs: tuple[Spec, ...], pre: Chosen, encoder: Chosen) -> None:
    strides = [first.stride, *(spec.stride for spec in specs)]
    if first.stride < 1:
        raise AssemblyError(f"{pre.owner} offers {first}; the first features need a stride of at least 1")
    if strides != sorted(strides):
        raise AssemblyError(
            f"{encoder.owner} offers strides {', '.join(map(str, strides[1:]))} behind {pre.owner}'s {strides[0]}; "
            "they must go from fine to deep"
        )


def serves_any_scale(config: ModelConfig) -> bool:
    """Whether the decoder serves any scale with the same weights; raises as `choose` does."""
    return _any_scale(choose("decoder", config.decoder))


def _any_scale(decoder: Chosen) -> bool:
    return bool(getattr(decoder.part.ref.load(), "any_scale", False))


def _check_scale(config: ModelConfig, decoder: Chosen) -> None:
    if not isinstance(config.scale, int) and not _any_scale(decoder):
        raise AssemblyError(
            f"{decoder.owner} enlarges by whole numbers, not by {config.scale}: take one for any, such as implicit"
        )


def _base(config: ModelConfig, chosen: Chosen, seed: int, device: torch.device) -> Upscaler:
    base: Upscaler = _construct(chosen, seed, device, config.scale)
    if (found := _declared(chosen, base, "scale")) != config.scale:
        raise AssemblyError(f"the base {chosen.owner} enlarges by {found}, not by {config.scale}")
    return base


def build_model(
    config: ModelConfig,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    registry: Registry | None = None,
    for_training: bool = True,
) -> SRModel:
    """Assemble a network with fresh weights.

    Args:
        config: Which parts, with which options.
        seed: Seed of the initial weights.
        device: Where to make them; ``"meta"`` checks every seam without a single tensor.
        registry: Where to look parts up.
        for_training: Whether the discriminator, which use does not need, is looked up and checked as well.

    Raises:
        PartNotFoundError: A part is not installed.
        OptionError: An option is unknown or out of range.
        AssemblyError: Two parts do not fit.
        BrokenPluginError: A part cannot be imported or constructed.
    """
    device = torch.device(device)
    chosen = {kind: choose(kind, getattr(config, kind), registry) for kind in STAGES}
    _check_scale(config, chosen["decoder"])
    target = Spec(3, Fraction(1, config.scale))

    pre_encoder: PreEncoder = _construct(chosen["pre_encoder"], seed, device, RGB)
    first: Spec = _declared(chosen["pre_encoder"], pre_encoder, "out_spec")
    encoder: Encoder = _construct(chosen["encoder"], seed, device, first)
    specs: tuple[Spec, ...] = _declared(chosen["encoder"], encoder, "out_specs")
    _check_strides(first, specs, chosen["pre_encoder"], chosen["encoder"])
    latent: Latent = _construct(chosen["latent"], seed, device, specs[-1], target)
    bottleneck: Spec = _declared(chosen["latent"], latent, "out_spec")
    handed = (first, *specs[:-1], bottleneck) if config.skips else (bottleneck,)
    decoder: Decoder = _construct(chosen["decoder"], seed, device, handed, target)

    judge = choose("discriminator", config.discriminator, registry) if for_training else None
    base = choose("upscaler", config.base, registry) if config.base else None
    resolved = {
        "scale": plain(config.scale),
        "skips": config.skips,
        "base": base.to_dict() if base else "none",
        **{kind: chosen[kind].to_dict() for kind in STAGES},
        "discriminator": judge.to_dict() if judge else config.discriminator.model_dump(),
    }
    needed: list[Fraction | int] = [
        *(spec.stride for spec in (first, *specs, bottleneck, target)),
        *(
            _declared(chosen[kind], part, "multiple_of") * stride
            for kind, part, stride in (
                ("pre_encoder", pre_encoder, 1),
                ("encoder", encoder, first.stride),
                ("latent", latent, specs[-1].stride),
                ("decoder", decoder, bottleneck.stride),
            )
        ),
    ]
    return SRModel(
        resolved,
        pre_encoder=pre_encoder,
        encoder=encoder,
        latent=latent,
        decoder=decoder,
        base=_base(config, base, seed, device) if base else None,
        multiple=common_multiple(needed),
    )


def build_discriminator(
    config: ModelConfig, *, seed: int = 0, device: torch.device | str = "cpu", registry: Registry | None = None
) -> Discriminator:
    """The discriminator that ``config`` names, with fresh weights; raises as `build_model` does."""
    chosen = choose("discriminator", config.discriminator, registry)
    judge: Discriminator = _construct(chosen, seed, torch.device(device), Spec(3, Fraction(1, config.scale)))
    return judge


def build_upscaler(name: str, scale: Scale | None = None) -> WholeModel:
    """A whole upscaler by name, such as ``bicubic``.

    Args:
        name: Its name in the registry.
        scale: Enlargement factor; None where the upscaler says its own.

    Raises:
        AssemblyError: It enlarges by another factor than ``scale``.
    """
    chosen = choose("upscaler", PartConfig(name=name))
    upscaler: Upscaler = _construct(chosen, 0, torch.device("cpu"), scale)
    found = _declared(chosen, upscaler, "scale")
    if scale is not None and found != scale:
        raise AssemblyError(f"{chosen.owner} enlarges by {found}, not by {scale}")
    return WholeModel(upscaler, {"scale": plain(upscaler.scale), "upscaler": chosen.to_dict()})
