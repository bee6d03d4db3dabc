"""What a part is before it is imported: its kind, its name and where it lies.

Parts are declared as entry points, one group per kind. This module needs neither torch, numpy nor pydantic.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srzoo.errors import BrokenPluginError, UsageError
from srzoo.messages import suggestion, traced_line

if TYPE_CHECKING:
    from srzoo.apart import Tell


CONTRACT = 1
"""Number of the contract between srzoo and parts: `srzoo.contracts` and the meaning of what it declares.

It goes up when parts that kept the old one would no longer work.
"""

CONTRACT_GROUP = "srzoo.contract"
"""Entry-point group in which a distribution says for which contracts it was written: ``1 = "srzoo.contracts"``."""


@dataclass(frozen=True)
class Kind:
    """A kind of part."""

    name: str
    """Singular, as in a configuration: ``encoder``."""

    base: str
    """``module:class`` that every part of this kind extends; as text, since importing it imports torch."""

    summary: str
    """One sentence on what such a part does."""

    plural: str = ""
    """Plural, as in ``srzoo list encoders``; the singular with an ``s`` unless given."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "plural", self.plural or f"{self.name}s")

    @property
    def group(self) -> str:
        """Entry-point group."""
        return f"srzoo.{self.plural}"

    def problem(self, part: object) -> str:
        """Why something is no part of this kind; empty if it is one. Imports the base class, and torch with it."""
        if not isinstance(part, type) or not issubclass(part, _get(self.base)):
            return f"is not a subclass of {self.base.replace(':', '.')}"
        missing = sorted(getattr(part, "__abstractmethods__", ()))
        return f"does not define {', '.join(missing)}" if missing else ""


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("pre_encoder", "srzoo.contracts:PreEncoder", "First features of the LR image."),
        Kind("encoder", "srzoo.contracts:Encoder", "Features from fine to deep."),
        Kind("latent", "srzoo.contracts:Latent", "A bottleneck on the deepest features, deterministic or stochastic."),
        Kind("decoder", "srzoo.contracts:Decoder", "From features and latent to the image."),
        Kind("discriminator", "srzoo.contracts:Discriminator", "Real or generated? Used in training only."),
        Kind("upscaler", "srzoo.contracts:Upscaler", "A whole network or method that cannot be taken apart."),
        Kind("loss", "srzoo.contracts:Loss", "A term of what training minimises.", "losses"),
        Kind("dataset", "srzoo.dataset:Dataset", "Photos on disk, in the layout that their authors gave them."),
        Kind("degradation", "srzoo.contracts:Degradation", "A step from HR to LR: smaller, blurred, noisy or JPEG."),
    )
}
"""Every kind of part by its singular name."""


def find_kind(text: str) -> Kind:
    """Find a kind by its name, singular or plural, with ``-`` or ``_``.

    Raises:
        UsageError: There is no such kind.
    """
    name = text.lower().replace("-", "_")
    for kind in KINDS.values():
        if name in (kind.name, kind.plural):
            return kind
    raise UsageError(f"there is no kind {text!r}{suggestion(name, KINDS)}: kinds are {', '.join(KINDS)}")


@dataclass(frozen=True)
class PartRef:
    """A part that some installed distribution declares, not imported yet."""

    kind: Kind
    """What sort of part it is."""

    name: str
    """Name within its kind."""

    distribution: str
    """Name of the distribution that declares it."""

    version: str
    """Version of that distribution."""

    value: str
    """Where it is: ``module:class``."""

    @property
    def qualified(self) -> str:
        """Name that no other distribution can claim, ``distribution:name``."""
        return f"{self.distribution}:{self.name}"

    def load(self) -> type:
        """Import the part, and nothing but the part.

        Raises:
            BrokenPluginError: It cannot be imported, or it is not what its kind asks for.
        """
        try:
            with redirect_stdout(sys.stderr):  # what is printed here is none of a command's output
                part = _get(self.value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit at import and panics of compiled modules are no Exception
            raise self._broken(f"cannot be imported ({traced_line(error)})") from error
        if problem := self.kind.problem(part):
            raise self._broken(problem)
        loaded: type = part
        return loaded

    def source_file(self) -> Path | None:
        """Locate the file of the part's module without importing anything; None where that needs an import."""
        package, *rest = self.value.partition(":")[0].split(".")
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        if not rest:
            return Path(spec.origin) if spec.origin and Path(spec.origin).is_file() else None
        for folder in spec.submodule_search_locations or ():
            module = Path(folder, *rest)
            for file in (module.with_suffix(".py"), module / "__init__.py"):
                if file.is_file():
                    return file
        return None

    def _broken(self, what: str) -> BrokenPluginError:
        return BrokenPluginError(
            f"{self.kind.name} {self.name!r} of {self.distribution} {self.version} {what}: "
            f"repair {self.value}, or see: srzoo plugins"
        )


def description(cls: type) -> str:
    """What a part says of itself in its docstring; nothing where that is its kind's base class speaking."""
    told = next(each for each in cls.__mro__ if (each.__doc__ or "").strip())
    ours = told.__module__.startswith(("srzoo.contracts", "srzoo.dataset", "srzoo.layers"))
    return "" if ours else inspect.cleandoc(told.__doc__ or "")


def probe(refs: Sequence[PartRef], seconds: float = 120.0) -> list[str]:
    """Import parts and read their options in a process of their own, so that nothing they do can harm this one.

    Where one of them ends that process, the parts behind it are looked at in another.

    Args:
        refs: The parts.
        seconds: How long the import of each may take.

    Returns:
        What is wrong with each, on one line; empty if nothing is.
    """
    from srzoo.apart import apart

    found: list[str] = []
    while len(found) < len(refs):
        rest = refs[len(found) :]
        where = [[ref.kind.name, ref.name, ref.distribution, ref.version, ref.value] for ref in rest]
        told = apart("srzoo.parts:_probe_here", where, seconds, each=True)
        found += map(str, told.values)
        if len(told.values) < len(rest):
            found.append(f"importing {refs[len(found)].value} {told.ending}")
    return found


def _probe_here(where: list[list[str]], tell: Tell) -> None:
    """Look at parts in the process that `probe` starts."""
    from srzoo.options import describe

    for kind, *rest in where:
        try:
            describe(PartRef(KINDS[kind], *rest).load())
            tell("")
        except BrokenPluginError as error:
            tell(str(error))


def _get(value: str) -> Any:
    """Import ``module:attribute``."""
    module, _, attribute = value.partition(":")
    return getattr(importlib.import_module(module), attribute)
