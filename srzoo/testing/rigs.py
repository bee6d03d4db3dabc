"""How each kind of model part is set up, fed and read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import wraps
from math import lcm
from typing import Any

import torch
from torch import Tensor

from srzoo.contracts import LatentOutput
from srzoo.messages import traced_line
from srzoo.spec import Spec, common_multiple
from srzoo.testing.subject import CheckFailed, Given, Subject

Size = tuple[int, int]
"""Height and width of the LR image in pixels; for discriminators, of the image that is judged."""


def image_spec(scale: int) -> Spec:
    """The HR image at a scale."""
    return Spec(3, Fraction(1, scale))


class Rig(ABC):
    """What the kit knows of one kind of model part."""

    situations: tuple[Given, ...]
    """Positional arguments that such a part is constructed with, one tuple each."""

    reaches_input = True
    """Whether what comes before the part is trained through it."""

    @abstractmethod
    def takes(self, part: Any, given: Given) -> tuple[Spec, ...]:
        """Maps that the part is handed."""

    @abstractmethod
    def gives(self, part: Any, given: Given) -> tuple[Spec, ...]:
        """Maps that the part declares to return."""

    @abstractmethod
    def maps(self, result: Any) -> tuple[Tensor, ...]:
        """The maps that the part did return; CheckFailed where the result is of another type."""

    def accepts(self, part: Any, given: Given) -> bool:
        """Whether the part is for this situation."""
        return True

    def unit(self, part: Any, given: Given) -> int:
        """What the core pads height and width of the LR image to a multiple of, for this part alone."""
        specs = (*self.takes(part, given), *self.gives(part, given))
        return common_multiple(
            [*(spec.stride for spec in specs), declared(part, "multiple_of", int) * self.takes(part, given)[-1].stride]
        )

    def usual_sizes(self, part: Any, given: Given) -> tuple[Size, ...]:
        """Sizes that a part can hardly complain of; none is square."""
        side = lcm(8, self.unit(part, given))
        return _fixed(part) or ((side, 2 * side), (3 * side, side))

    def least_sizes(self, part: Any, given: Given) -> tuple[Size, ...]:
        """Sizes that are just what the part declares to need."""
        unit = self.unit(part, given)
        return _fixed(part) or ((unit, unit), (unit, 3 * unit), (5 * unit, unit), (2 * unit, 7 * unit))

    def arguments(self, trial: Trial, maps: tuple[Tensor, ...], size: Size, hr: bool) -> tuple[Any, ...]:
        """What `forward` is called with."""
        return maps

    def verify(self, trial: Trial, result: Any, n: int, size: Size) -> None:
        """Compare the result with what is declared; raises CheckFailed."""
        found = [tuple(each.shape) for each in self.maps(result)]
        wanted = [shape(spec, n, size) for spec in self.gives(trial.part, trial.given)]
        if found != wanted:
            raise CheckFailed(f"returns maps of {found} where it declares {wanted}")


@dataclass(frozen=True)
class Trial:
    """A part in one situation, ready to be fed."""

    rig: Rig
    part: Any
    given: Given

    @property
    def size(self) -> Size:
        """The size that is fed where no other is named."""
        return self.rig.usual_sizes(self.part, self.given)[0]

    def feed(self, n: int = 2, size: Size | None = None, *, hr: bool = False) -> tuple[Any, ...]:
        """Arguments of `forward` for ``n`` images, the same at every call; with HR for a latent where ``hr``."""
        size = size or self.size
        maps = self.images(self.rig.takes(self.part, self.given), n, size)
        return self.rig.arguments(self, maps, size, hr)

    def images(self, specs: tuple[Spec, ...], n: int, size: Size) -> tuple[Tensor, ...]:
        """One map in [0, 1] for each spec."""
        device = torch.get_default_device()
        generator = torch.Generator("cpu").manual_seed(7)
        shapes = [shape(spec, n, size) for spec in specs]
        return tuple(torch.rand(each, generator=generator, device="cpu").to(device) for each in shapes)

    def use(self, arguments: tuple[Any, ...]) -> Any:
        """Call the part without gradients."""
        with torch.no_grad():
            return self.part(*arguments)

    def __str__(self) -> str:
        offered = (f"[{', '.join(map(str, each))}]" if isinstance(each, tuple) else str(each) for each in self.given)
        return f"built from ({', '.join(offered)})"


def trials(subject: Subject) -> Iterator[Trial]:
    """The part in every situation that it takes, in evaluation mode.

    Raises:
        CheckFailed: It takes none.
    """
    rig = RIGS[subject.kind.name]
    none = True
    for given, part in subject.made(rig.situations, subject.make):
        if rig.accepts(part, given):
            none = False
            yield Trial(rig, part.eval(), given)
    if none:
        raise CheckFailed(f"is for none of the situations given={list(subject.given)}")


def each_trial(check: Callable[[Trial], None]) -> Callable[[Subject], None]:
    """Run a check in every situation, and have its complaint say in which."""

    @wraps(check)
    def checked(subject: Subject) -> None:
        for trial in trials(subject):
            try:
                check(trial)
            except CheckFailed as failure:
                raise CheckFailed(f"{failure}, {trial}") from failure
            except Exception as error:
                raise CheckFailed(f"{traced_line(error)}, {trial}") from error

    return checked


def shape(spec: Spec, n: int, size: Size) -> tuple[int, ...]:
    """Shape of ``n`` maps for an LR image of ``size``; CheckFailed where it has no whole map of that stride."""
    try:
        return (n, spec.channels, *spec.size(*size))
    except ValueError as error:
        raise CheckFailed(f"{error}: multiple_of must be larger") from error


def declared(part: Any, attribute: str, wanted: type) -> Any:
    """An attribute that the contract asks for; CheckFailed where it is missing or of another type."""
    value = getattr(part, attribute, None)
    if not isinstance(value, wanted) or isinstance(value, bool) or value == ():
        raise CheckFailed(f"declares {attribute} as {value!r}, which is no {wanted.__name__}")
    return value


def tensors(value: Any) -> list[Tensor]:
    """Every tensor in a result, in a fixed order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [each for name in sorted(value) for each in tensors(value[name])]
    return [each for item in value for each in tensors(item)] if isinstance(value, tuple | list) else []


def changed(value: Any, change: Any) -> Any:
    """Arguments with every tensor replaced by what ``change`` makes of it; tuples with names keep them."""
    if isinstance(value, Tensor):
        return change(value)
    if not isinstance(value, tuple):
        return value
    parts = [changed(each, change) for each in value]
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


def _fixed(part: Any) -> tuple[Size, ...]:
    """The only size that an encoder or upscaler takes, where there is one."""
    size = getattr(part, "fixed_size", None)
    return (tuple(size),) if size else ()


def _one(result: Any) -> tuple[Tensor, ...]:
    if not isinstance(result, Tensor):
        raise CheckFailed(f"returns {type(result).__name__}, not a tensor")
    return (result,)


def _several(result: Any) -> tuple[Tensor, ...]:
    if not isinstance(result, tuple) or not result or not all(isinstance(each, Tensor) for each in result):
        raise CheckFailed(f"returns {type(result).__name__}, not a tuple of tensors")
    return result


class _PreEncoderRig(Rig):
    situations = ((Spec(3),),)
    reaches_input = False

    def takes(self, part: Any, given: Given) -> tuple[Spec, ...]:
        return (given[0],)

    def gives(self, part: Any, given: Given) -> tuple[Spec, ...]:
        spec: Spec = declared(part, "out_spec", Spec)
        if spec.stride < 1:
            raise CheckFailed(f"declares {spec}; the first features need a stride of at least 1")
        return (spec,)

    def maps(self, result: Any) -> tuple[Tensor, ...]:
        return _one(result)


class _EncoderRig(Rig):
    situations = ((Spec(3),), (Spec(10),), (Spec(8, Fraction(2)),))

    def takes(self, part: Any, given: Given) -> tuple[Spec, ...]:
        return (given[0],)

    def gives(self, part: Any, given: Given) -> tuple[Spec, ...]:
        specs: tuple[Spec, ...] = declared(part, "out_specs", tuple)
        strides = [given[0].stride, *(spec.stride for spec in specs)]
        if strides != sorted(strides):
            raise CheckFailed(f"declares strides {', '.join(map(str, strides[1:]))}; they must go from fine to deep")
        return specs

    def maps(self, result: Any) -> tuple[Tensor, ...]:
        return _several(result)


class _LatentRig(Rig):
    situations = (
        (Spec(12, Fraction(2)), image_spec(3)),
        (Spec(8), image_spec(2)),
        (Spec(16, Fraction(4)), image_spec(4)),
    )

    def takes(self, part: Any, given: Given) -> tuple[Spec, ...]:
        return (given[0],)

    def gives(self, part: Any, given: Given) -> tuple[Spec, ...]:
        return (declared(part, "out_spec", Spec),)

    def maps(self, result: Any) -> tuple[Tensor, ...]:
        if not isinstance(result, LatentOutput):
            raise CheckFailed(f"returns {type(result).__name__}, not srzoo.contracts.LatentOutput")
        return _one(result.z)

    def arguments(self, trial: Trial, maps: tuple[Tensor, ...], size: Size, hr: bool) -> tuple[Any, ...]:
        n = maps[0].shape[0]
        image, *noise = trial.images((trial.given[1], *trial.part.noise_specs), n, size)
        return maps[0], image if hr else None, tuple(4 * (each - 0.5) for each in noise)

    def verify(self, trial: Trial, result: Any, n: int, size: Size) -> None:
        super().verify(trial, result, n, size)
        wanted = [shape(spec, n, size) for spec in trial.part.noise_specs]
        for name in ("prior", "posterior"):
            for moment in ("mean", "log_variance"):
                found = [tuple(getattr(each, moment).shape) for each in getattr(result, name)]
                if found not in (wanted, []):
                    raise CheckFailed(f"returns a {name} with {moment} of {found} where noise_specs say {wanted}")


class _DecoderRig(Rig):
    situations = (
        ((Spec(5), Spec(6, Fraction(2)), Spec(7, Fraction(4))), image_spec(3)),
        ((Spec(7, Fraction(4)),), image_spec(4)),
        ((Spec(4), Spec(4), Spec(6, Fraction(2))), image_spec(2)),
    )

    def takes(self, part: Any, given: Given) -> tuple[Spec, ...]:
        specs: tuple[Spec, ...] = given[0]
        return specs

    def gives(self, part: Any, given: Given) -> tuple[Spec, ...]:
        return (given[1],)

    def maps(self, result: Any) -> tuple[Tensor, ...]:
        return _one(result)

    def arguments(self, trial: Trial, maps: tuple[Tensor, ...], size: Size, hr: bool) -> tuple[Any, ...]:
        return (maps,)


class _DiscriminatorRig(Rig):
    situations = ((image_spec(4),), (image_spec(2),))

    def takes(self, part: Any, given: Given) -> tuple[Spec, ...]:
        return (Spec(given[0].channels),)

    def gives(self, part: Any, given: Given) -> tuple[Spec, ...]:
        return ()

    def maps(self, result: Any) -> tuple[Tensor, ...]:
        return _several(result)

    def usual_sizes(self, part: Any, given: Given) -> tuple[Size, ...]:
        side = -(-declared(part, "min_size", int) // 8) * 8
        return (side, 2 * side), (3 * side, side)

    def least_sizes(self, part: Any, given: Given) -> tuple[Size, ...]:
        least = declared(part, "min_size", int)
        return (least, least), (least, 2 * least + 1), (least + 7, least + 3), (3 * least + 5, least)

    def verify(self, trial: Trial, result: Any, n: int, size: Size) -> None:
        for logits in self.maps(result):
            if logits.shape[:1] != (n,) or not logits.numel():
                raise CheckFailed(f"returns logits of {tuple(logits.shape)} for {n} images of {size[0]}x{size[1]}")


class _UpscalerRig(Rig):
    situations = ((None,), (2,), (3,))
    reaches_input = False

    def takes(self, part: Any, given: Given) -> tuple[Spec, ...]:
        return (Spec(3),)

    def gives(self, part: Any, given: Given) -> tuple[Spec, ...]:
        scale = declared(part, "scale", int)
        if scale < 1:
            raise CheckFailed(f"declares a scale of {scale}")
        return (image_spec(scale),)

    def accepts(self, part: Any, given: Given) -> bool:
        # An upscaler of one scale says its own, and the core refuses it where another was asked for.
        return given[0] is None or part.scale == given[0]

    def maps(self, result: Any) -> tuple[Tensor, ...]:
        return _one(result)


RIGS: Mapping[str, Rig] = {
    "pre_encoder": _PreEncoderRig(),
    "encoder": _EncoderRig(),
    "latent": _LatentRig(),
    "decoder": _DecoderRig(),
    "discriminator": _DiscriminatorRig(),
    "upscaler": _UpscalerRig(),
}
"""By kind."""
