"""Parts at work: what fails in a third party's, or comes out of it in another shape than declared, is told by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor

from srzoo.contracts import LatentOutput
from srzoo.errors import BrokenPluginError, SrzooError
from srzoo.messages import traced_line
from srzoo.spec import Spec


def is_out_of_memory(error: BaseException) -> bool:
    """Whether something failed for want of memory, on the host or on a GPU."""
    wanting = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in wanting)
    )


@contextmanager
def blaming(kind: str, name: str) -> Iterator[None]:
    """Tell what goes wrong in a third party's part with its name; srzoo's own speak for themselves.

    Args:
        kind: Of the part, such as ``encoder``.
        name: Its qualified name.

    Raises:
        BrokenPluginError: Something does.
    """
    try:
        yield
    except SrzooError:
        raise
    except (Exception, SystemExit) as error:
        if name.startswith("srzoo:") or is_out_of_memory(error):
            raise
        raise broken(kind, name, f"failed in use ({traced_line(error)})") from error


def check_maps(kind: str, name: str, maps: object, specs: Sequence[Spec], n: int, size: tuple[int, int]) -> None:
    """Whether a part made the maps that it declares.

    Args:
        kind: Of the part.
        name: Its qualified name.
        maps: What it returned.
        specs: What it declares.
        n: Images in the batch.
        size: Height and width of the padded LR image.

    Raises:
        BrokenPluginError: It did not.
    """
    wanted = [(n, spec.channels, *spec.size(*size)) for spec in specs]
    if not isinstance(maps, Sequence) or not all(isinstance(each, Tensor) for each in maps):
        raise broken(kind, name, f"returned {type(maps).__name__} where {len(specs)} maps were due")
    if (found := [tuple(each.shape) for each in maps]) != wanted:
        raise broken(kind, name, f"made {_maps(found)} where {_maps(wanted)} {_were(wanted)} due")


def check_latent(
    name: str, made: object, out_spec: Spec, noise_specs: Sequence[Spec], n: int, size: tuple[int, int]
) -> None:
    """Whether a latent made what it declares: z, and distributions of the shapes of its noise, if any.

    Args:
        name: Its qualified name.
        made: What it returned.
        out_spec: What it declares to hand to the decoder.
        noise_specs: What noise it declares to take.
        n: Images in the batch.
        size: Height and width of the padded LR image.

    Raises:
        BrokenPluginError: It did not.
    """
    if not isinstance(made, LatentOutput):
        raise broken("latent", name, f"returned {type(made).__name__} where a LatentOutput was due")
    check_maps("latent", name, [made.z], [out_spec], n, size)
    for normals in filter(None, (made.prior, made.posterior)):
        for moment in ("mean", "log_variance"):
            check_maps("latent", name, [getattr(each, moment) for each in normals], noise_specs, n, size)


def check_scalar(kind: str, name: str, value: object) -> None:
    """Whether a part made one number; raises BrokenPluginError where it did not."""
    if not isinstance(value, Tensor) or value.dim():
        made = _maps([value.shape]) if isinstance(value, Tensor) else type(value).__name__
        raise broken(kind, name, f"made {made} where a scalar was due")


def check_logits(kind: str, name: str, maps: object, n: int) -> None:
    """Whether a part made one or more maps for ``n`` images; raises BrokenPluginError where it did not."""
    if not isinstance(maps, tuple) or not maps or not all(isinstance(each, Tensor) for each in maps):
        raise broken(kind, name, f"made {type(maps).__name__} where a tuple of maps was due")
    for each in maps:
        if each.shape[:1] != (n,):
            raise broken(kind, name, f"made {_maps([each.shape])} for {n} images")


def check_image(kind: str, name: str, image: object, wanted: tuple[int, ...]) -> None:
    """Whether images are as large as they have to be.

    Args:
        kind: Of the part that made them.
        name: Its qualified name.
        image: What it made.
        wanted: The shape that is due, (N, C, H, W).

    Raises:
        BrokenPluginError: They are not.
    """
    if not isinstance(image, Tensor):
        raise broken(kind, name, f"returned {type(image).__name__} where an image was due")
    if tuple(image.shape) != wanted:
        made, due = ("x".join(map(str, each)) for each in (image.shape, wanted))
        raise broken(kind, name, f"made an image of {made} where {due} was due")


def broken(kind: str, name: str, what: str) -> BrokenPluginError:
    """What is wrong with a part, with where to look further."""
    shown = kind.replace("_", "-")
    return BrokenPluginError(f"{shown} {name} {what}: see: srzoo check {shown} {name}")


def _maps(shapes: Sequence[Sequence[int]]) -> str:
    listed = ", ".join("x".join(map(str, each)) or "scalar" for each in shapes) or "nothing"
    return f"{'maps' if len(shapes) > 1 else 'a map'} of {listed}"


def _were(shapes: Sequence[object]) -> str:
    return "were" if len(shapes) > 1 else "was"
