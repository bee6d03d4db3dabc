"""Backbones of the timm library as pyramids of feature maps.

timm's networks differ in how they treat sizes, channels and layouts. An `Entry` says how one is to be handled, and
`describe` finds out on the meta device, where tensors have shapes but no numbers, what comes out.

Source: Wightman, "PyTorch Image Models", 2019, https://github.com/huggingface/pytorch-image-models.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import lcm
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers.format import Format
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from srzoo.errors import FetchError, OptionError
from srzoo.messages import one_line

RGB_ONLY = "rgb"
"""Handling: the network computes with the three colours, so that features must be mapped to three channels first."""

TOKENS = "tokens"
"""Handling: the network hands out lists of tokens, (N, H * W, C)."""

MARGIN = "margin"
"""Handling: the network loses pixels at the borders, so that it is given `MARGIN_PIXELS` more on each side."""

MARGIN_PIXELS = 64

RESAMPLED = "resampled"
"""Handling: the network's maps have no whole strides, and are resampled to some."""

DYNAMIC_SIZE = "dynamic_img_size"
"""Handling: the network takes any size if it is asked to, by timm's argument of that name."""

CHOSEN_SIZE = "img_size"
"""Handling: a size is chosen when the network is built, by timm's argument of that name."""


class UnfitError(Exception):
    """A backbone's maps are not what is said of them."""


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue: a variant and how it is handled."""

    variant: str
    """Its name in timm."""

    indices: tuple[int, ...]
    """timm's numbers of the levels that it hands out, fine to deep."""

    strides: tuple[int, ...]
    """Stride of each level's map."""

    multiple: int
    """Height and width must be multiples of this, unless there is a fixed size."""

    fixed_size: int | None = None
    """The only height and width that it takes, or None."""

    handling: frozenset[str] = frozenset()
    """`RGB_ONLY` and its like."""

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Entry:
        """An entry from its JSON object."""
        return cls(
            row["variant"],
            tuple(row["indices"]),
            tuple(row["strides"]),
            row["multiple"],
            row["fixed_size"],
            frozenset(row["handling"]),
        )


@dataclass(frozen=True)
class Backbone:
    """A variant of timm, cut to some of its levels and built for some size."""

    entry: Entry
    """Which variant, and how it is handled."""

    indices: tuple[int, ...]
    """timm's numbers of the levels in use, fine to deep; empty for those that timm hands out by itself."""

    channels: tuple[int, ...]
    """Channels of each map."""

    multiple: int
    """Height and width must be multiples of this, unless there is a fixed size."""

    fixed_size: int | None
    """The only height and width that it takes, or None."""

    size: int
    """What it is built for, where that can be chosen; 0 where it cannot."""

    idle: frozenset[str] = frozenset()
    """Parameters that no map depends on, by name: heads, and stages behind the levels in use."""

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each map."""
        return self.entry.strides[: len(self.indices)]

    def network(self, channels: int, *, pretrained: bool = False, owner: str = "encoder timm") -> Any:
        """The network for input of so many channels; what no map depends on is frozen.

        Args:
            channels: Channels of the input.
            pretrained: Whether to start from timm's weights.
            owner: Whose variant it is, as messages should call it: kind and name.

        Raises:
            OptionError: timm has no weights for it.
            FetchError: The weights cannot be had.
        """
        arguments: dict[str, Any] = {"features_only": True, "in_chans": channels}
        if self.indices:
            arguments["out_indices"] = self.indices
        if DYNAMIC_SIZE in self.entry.handling:
            arguments[DYNAMIC_SIZE] = True
        if self.size:
            arguments[CHOSEN_SIZE] = self.size
        network: Any
        if torch.get_default_device().type == "meta":
            with _Uninitialised():
                network = timm.create_model(self.entry.variant, **arguments)
        elif pretrained:
            network = _pretrained(self.entry.variant, arguments, owner)
        else:
            network = timm.create_model(self.entry.variant, **arguments)
        if TOKENS in self.entry.handling:
            network.output_fmt = Format.NLC
        for name, parameter in network.named_parameters():
            if name in self.idle:
                parameter.requires_grad_(False)
        _save_shared_once(network)
        return network

    def maps(self, network: nn.Module, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) through ``network`` to one map (N, channels[i], H / strides[i], W / strides[i]) per level."""
        height, width = features.shape[-2:]
        if MARGIN in self.entry.handling:
            features = F.pad(features, (MARGIN_PIXELS,) * 4, mode="replicate")
        layout = getattr(network, "output_fmt", Format.NCHW)
        maps = []
        for each, stride in zip(network(features), self.strides, strict=True):
            size = height // stride, width // stride
            each = _arranged(each, layout, *size)
            if MARGIN in self.entry.handling:
                each = _middle(each, *size)
            elif RESAMPLED in self.entry.handling:
                each = _resampled(each, *size)
            maps.append(each)
        return tuple(maps)

    def on_meta(self, channels: int) -> Any:
        """The network for use on the meta device, where there are shapes but no numbers.

        Raises:
            UnfitError: timm cannot build it.
        """
        try:
            with torch.random.fork_rng(devices=[]), torch.device("meta"):
                return self.network(channels).eval()
        except Exception as error:  # timm asserts, and its constructors raise whatever comes
            raise UnfitError(one_line(error)) from error

    def check(self, network: nn.Module, channels: int, height: int, width: int) -> tuple[Tensor, ...]:
        """Maps of two images on the meta device.

        Raises:
            UnfitError: They are not what `strides` says.
        """
        try:
            with torch.device("meta"):
                maps = self.maps(network, torch.empty(2, channels, height, width))
        except Exception as error:  # networks fail in many ways on sizes that they were not made for
            raise UnfitError(one_line(error)) from error
        found = [tuple(each.shape[-2:]) for each in maps]
        exact = not any(side % stride for side in (height, width) for stride in self.strides)
        if not exact or found != [(height // stride, width // stride) for stride in self.strides]:
            raise UnfitError(
                f"its maps of an image of {height}x{width} are {', '.join(f'{h}x{w}' for h, w in found)}, "
                f"which are not strides of {', '.join(map(str, self.strides))}"
            )
        return maps


class _Uninitialised(TorchFunctionMode):
    """Skips what fills parameters with numbers, which costs most of the time where there are none."""

    FILLING = frozenset(
        getattr(Tensor, name) for name in ("normal_", "uniform_", "erfinv_", "clamp_", "fill_", "zero_", "mul_", "add_")
    )

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function in self.FILLING and isinstance(args[0], nn.Parameter):
            return args[0]
        return function(*args, **(kwargs or {}))


def _arranged(features: Tensor, layout: Format, height: int, width: int) -> Tensor:
    """A map in timm's layout as (N, C, H, W)."""
    if layout == Format.NLC:
        features = features.reshape(features.shape[0], height, width, -1)
    return features if layout == Format.NCHW else features.permute(0, 3, 1, 2)


def _middle(features: Tensor, height: int, width: int) -> Tensor:
    """The middle of a map (N, C, H, W), as high and wide as is said."""
    top, left = (features.shape[-2] - height) // 2, (features.shape[-1] - width) // 2
    return features[..., max(top, 0) : top + height, max(left, 0) : left + width]


def _resampled(features: Tensor, height: int, width: int) -> Tensor:
    """A map (N, C, H, W) at another size; what lacks half a position at each border gets the means between its own."""
    if features.shape[-2:] == (height - 1, width - 1):
        return F.avg_pool2d(F.pad(features, (1, 1, 1, 1), mode="replicate"), 2, stride=1)
    if features.shape[-2:] == (height, width):
        return features
    return F.interpolate(features, size=(height, width), mode="bilinear", align_corners=False)


def _pretrained(variant: str, arguments: Mapping[str, Any], owner: str) -> Any:
    """The network with timm's weights: from the hub, or from the file ``timm_VARIANT.safetensors`` in a folder."""
    kind = owner.partition(" ")[0]
    if not timm.is_model_pretrained(variant):
        raise OptionError(f"timm has no weights of {owner}/{variant}: set {kind}.pretrained=false")
    folder = os.environ.get("SRZOO_WEIGHTS")
    file = Path(folder or "") / f"timm_{variant}.safetensors"
    overlay = {"file": str(file)} if folder and file.is_file() else None
    by_hand = f"put {file.name} into a folder and name that in SRZOO_WEIGHTS"
    if overlay is None and os.environ.get("SRZOO_OFFLINE", "") not in ("", "0"):
        raise FetchError(f"the weights of {owner}/{variant} are not at hand, and SRZOO_OFFLINE is set: {by_hand}")
    hub = logging.getLogger("huggingface_hub")
    heard = hub.level
    hub.setLevel(logging.ERROR)  # it tells each of its many attempts
    try:
        return timm.create_model(variant, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
    except Exception as error:  # the hub, the network and the file each have errors of their own
        if CHOSEN_SIZE in arguments and "size mismatch" in str(error):
            size = trained_size(variant)
            raise FetchError(
                f"the weights of {owner}/{variant} are for {size}x{size} pixels, and timm does not fit them to "
                f"{arguments[CHOSEN_SIZE]}: set {kind}.size={size}, or {kind}.pretrained=false"
            ) from error
        raise FetchError(
            f"the weights of {owner}/{variant} cannot be had ({one_line(error)[:120]}): check the network, or {by_hand}"
        ) from error
    finally:
        hub.setLevel(heard)


def _save_shared_once(network: nn.Module) -> None:
    """Save what several modules share under one name, since safetensors refuses two names of one tensor."""
    shared: dict[str, str] = {}
    names: dict[int, str] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        first = names.setdefault(id(parameter), name)
        if name != first:
            shared[name] = first
    if shared:
        network.register_state_dict_post_hook(partial(_leave_out, shared))  # type: ignore[no-untyped-call]
        network.register_load_state_dict_pre_hook(partial(_fill_in, shared))  # type: ignore[no-untyped-call]


def _leave_out(shared: Mapping[str, str], network: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name in shared:
        state.pop(prefix + name, None)


def _fill_in(shared: Mapping[str, str], network: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name, first in shared.items():
        if prefix + first in state:
            state.setdefault(prefix + name, state[prefix + first])


def trained_size(variant: str) -> int:
    """Height and width of the images that a variant was trained on, as timm has it."""
    trained = timm.get_pretrained_cfg(variant)
    return int(trained.input_size[-1]) if trained is not None else 224


@lru_cache(maxsize=64)
def describe(entry: Entry, depth: int = 0, size: int = 0) -> Backbone:
    """Find out what the first levels of a variant are, without computing anything.

    Args:
        entry: The variant.
        depth: How many levels, from fine; 0 for all.
        size: Height and width to build it for, where that can be chosen; 0 for the catalogue's.

    Raises:
        UnfitError: The maps are not what the entry says, or timm cannot build the network.
    """
    chosen = (size or entry.fixed_size or entry.multiple) if CHOSEN_SIZE in entry.handling else 0
    fixed = (chosen or entry.fixed_size) if entry.fixed_size else None
    strides = entry.strides[: depth or None]
    least, whole = lcm(*strides), chosen or entry.multiple
    # Fewer levels may do with a smaller multiple, unless the network computes the others all the same.
    multiples = [least] if fixed else sorted({least, whole}) if depth else [whole]
    problem = UnfitError("no level")
    for multiple in multiples:
        draft = Backbone(entry, entry.indices[: len(strides)], (), multiple, fixed, chosen)
        try:
            channels, idle = _measure(draft, *((fixed, fixed) if fixed else (multiple, 3 * multiple)))
            return Backbone(entry, draft.indices, channels, multiple, fixed, chosen, idle)
        except UnfitError as error:
            problem = error
    raise problem


def _measure(draft: Backbone, height: int, width: int) -> tuple[tuple[int, ...], frozenset[str]]:
    """Channels of the maps of an image of that size, and the parameters that none of them depends on."""
    channels = 3 if RGB_ONLY in draft.entry.handling else 8
    with torch.inference_mode(False), torch.enable_grad():
        network = draft.on_meta(channels)
        maps = draft.check(network, channels, height, width)
    reached = _reached(maps)
    idle = frozenset(name for name, parameter in network.named_parameters() if id(parameter) not in reached)
    return tuple(each.shape[1] for each in maps), idle


def _reached(maps: Sequence[Tensor]) -> set[int]:
    """Identities of the parameters to which a gradient of ``maps`` flows."""
    waiting = [each.grad_fn for each in maps if each.grad_fn is not None]
    seen, parameters = set(waiting), set()
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            parameters.add(id(node.variable))
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return parameters
