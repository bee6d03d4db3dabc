"""Which parts are installed, and how a name becomes a part.

Every part, srzoo's own too, is declared as an entry point in its distribution's metadata, one group per kind.
Looking around reads that metadata and imports nothing; a part is imported when its name is asked for, and only
that part. This module needs neither torch, numpy nor pydantic.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

from srzoo.errors import AmbiguousNameError, BrokenPluginError, PartNotFoundError, SrzooError
from srzoo.messages import one_line, suggestion
from srzoo.parts import CONTRACT, CONTRACT_GROUP, KINDS, Kind, PartRef, find_kind, probe

__all__ = [
    "CONTRACT",
    "KINDS",
    "OWN",
    "REGISTRY",
    "SWITCH",
    "Distribution",
    "Kind",
    "PartRef",
    "Registry",
    "ResolvedPart",
    "find_kind",
    "probe",
]

OWN = "srzoo"
"""The distribution whose bare names always win."""

SWITCH = "SRZOO_PLUGINS"
"""Environment variable: empty for no third parties, or the third-party distributions to use, between commas."""


@dataclass(frozen=True)
class ResolvedPart:
    """A part as it was asked for."""

    ref: PartRef
    """The part."""

    variant: str | None = None
    """What followed the slash in ``family/variant``: the value of the part's option ``variant``."""


@dataclass(frozen=True)
class Distribution:
    """An installed distribution that declares parts."""

    name: str
    """Name as in its metadata."""

    version: str
    """Version as in its metadata."""

    parts: tuple[PartRef, ...] = ()
    """What it declares; empty if it is broken or switched off."""

    problem: str = ""
    """Why nothing of it can be used; empty if all is well."""

    contracts: tuple[int, ...] = (1,)
    """Numbers of the contracts that it was written for; 1 where it does not say."""

    withheld: tuple[PartRef, ...] = ()
    """What it declares and cannot be used, for the ``problem``."""

    @property
    def switched_off(self) -> bool:
        """Whether nothing is wrong with it but that it is not wanted."""
        return self.problem == _SWITCHED_OFF


_SWITCHED_OFF = f"switched off by {SWITCH}"


class Registry:
    """The installed parts. Metadata is read when first needed, and once."""

    def __init__(self) -> None:
        self._distributions: tuple[Distribution, ...] | None = None
        self._parts: dict[str, tuple[PartRef, ...]] = {}

    def refresh(self) -> None:
        """Forget what was read, so that the next question looks at the installed distributions again."""
        importlib.invalidate_caches()
        self._distributions = None
        self._parts = {}

    def distributions(self) -> tuple[Distribution, ...]:
        """Every distribution that declares parts, srzoo first, the others by name."""
        if self._distributions is None:
            self._distributions = tuple(sorted(_scan(), key=lambda found: (found.name != OWN, found.name.lower())))
        return self._distributions

    def distribution(self, name: str) -> Distribution:
        """Find a distribution that declares parts.

        Raises:
            PartNotFoundError: None of that name is installed.
        """
        known = {_normal(found.name): found for found in self.distributions()}
        if _normal(name) not in known:
            raise PartNotFoundError(
                f"no installed distribution {name!r} offers parts{suggestion(_normal(name), known)}: see: srzoo plugins"
            )
        return known[_normal(name)]

    def parts(self, kind: str) -> tuple[PartRef, ...]:
        """Every part of a kind, srzoo's first, each distribution's by name."""
        name = find_kind(kind).name
        if name not in self._parts:
            refs = (ref for distribution in self.distributions() for ref in distribution.parts)
            self._parts[name] = tuple(ref for ref in refs if ref.kind.name == name)
        return self._parts[name]

    def resolve(self, kind: str, name: str) -> ResolvedPart:
        """Find the part that a name means.

        Args:
            kind: Kind of part, in any spelling that `find_kind` knows.
            name: ``name``, ``distribution:name``, or either with ``/variant`` for a family. A bare name that
                srzoo owns always means srzoo's.

        Raises:
            PartNotFoundError: Nobody offers it, or it has no variants.
            AmbiguousNameError: Several third parties offer it.
            BrokenPluginError: Its distribution or, where a variant is asked for, the part itself is broken.
        """
        family, slash, variant = name.partition("/")
        owner, _, bare = family.rpartition(":")
        found = [ref for ref in self.parts(kind) if ref.name == bare]
        if owner:
            found = [ref for ref in found if _normal(ref.distribution) == _normal(owner)]
        elif any(ref.distribution == OWN for ref in found):
            found = [ref for ref in found if ref.distribution == OWN]
        if not found:
            raise self._not_found(find_kind(kind), owner, bare)
        if len(found) > 1:
            choices = ", ".join(ref.qualified for ref in found)
            raise AmbiguousNameError(f"{found[0].kind.name} {bare!r} is offered more than once: write one of {choices}")
        if slash:
            _check_variant(found[0], variant)
        return ResolvedPart(found[0], variant if slash else None)

    def catalogue(self, ref: PartRef) -> list[dict[str, Any]]:
        """Variants of a family, read from the generated file beside its module; nothing is imported.

        The file of a part in ``timm_backbone.py`` is ``timm_backbone.catalogue.json``: a JSON list of objects,
        each with ``variant`` and whatever else helps to choose, such as ``params`` and ``strides``. A part with the
        variants of another has an object in its place, ``{"of": FILE, "without": NAME}``: those in that file, beside
        it, for which nothing is called NAME.

        Returns:
            One dictionary per variant; empty if the part is no family or ships no catalogue.

        Raises:
            BrokenPluginError: The file is not such a list.
        """
        source = ref.source_file()
        file = source.with_suffix(".catalogue.json") if source else None
        if file is None or not file.is_file():
            return []
        try:
            entries = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(entries, dict):
                others = json.loads((file.parent / entries["of"]).read_text(encoding="utf-8"))
                entries = [entry for entry in others if not entry.get(entries["without"])]
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise BrokenPluginError(
                f"the catalogue of {ref.qualified} cannot be read ({one_line(error)}): generate {file} again"
            ) from error
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and "variant" in entry for entry in entries
        ):
            raise BrokenPluginError(
                f"the catalogue of {ref.qualified} is not a list of objects with 'variant': generate {file} again"
            )
        return entries

    def _not_found(self, kind: Kind, owner: str, name: str) -> SrzooError:
        """Explain as well as the metadata allows why a name means nothing."""
        listing = f"see: srzoo list {kind.plural}"
        distributions = self.distributions()
        if owner:
            found = self.distribution(owner)
            if found.problem:
                return BrokenPluginError(
                    f"{kind.name} {owner}:{name} cannot be used, {found.problem}: see: srzoo plugins"
                )
            known = [ref.name for ref in found.parts if ref.kind == kind]
            return PartNotFoundError(f"{owner} offers no {kind.name} {name!r}{suggestion(name, known)}: {listing}")
        for found in distributions:
            if any(ref.kind == kind and ref.name == name for ref in found.withheld):
                return BrokenPluginError(
                    f"{kind.name} {name!r} of {found.name} {found.version} cannot be used, {found.problem}: "
                    "see: srzoo plugins"
                )
        known = [ref.name for ref in self.parts(kind.name)]
        if OWN not in (found.name for found in distributions):
            listing = "srzoo's own metadata is missing, install it again: pip install srzoo"
        elif unusable := [found.name for found in distributions if found.problem]:
            listing += f" ({', '.join(unusable)} cannot be used: srzoo plugins)"
        return PartNotFoundError(f"there is no {kind.name} {name!r}{suggestion(name, known)}: {listing}")


def _scan() -> Iterator[Distribution]:
    """Read the metadata of every installed distribution that declares parts."""
    allowed = None
    if SWITCH in os.environ:
        allowed = {_normal(name): name.strip() for name in os.environ[SWITCH].split(",") if name.strip()}
    folders: set[str] = set()
    seen: set[str] = set()
    for candidate in metadata.distributions():
        folder = _folder(candidate)[0]
        if folder != _UNKNOWN and _normal(folder) in folders:  # an earlier one on sys.path hides it
            continue
        folders.add(_normal(folder))
        found = _read(candidate)
        if found is None or (name := _normal(found.name)) in seen:
            continue
        seen.add(name)
        if allowed is not None and name != OWN and name not in allowed:
            yield _refused(found, _SWITCHED_OFF)
        else:
            yield found
    for name, written in (allowed or {}).items():
        if name not in seen:
            yield Distribution(written, "", problem=f"named by {SWITCH}, but not installed or without parts")


def _read(candidate: metadata.Distribution) -> Distribution | None:
    """Read one distribution; None if it declares no parts."""
    name, version = _folder(candidate)
    try:
        if "srzoo." not in (candidate.read_text("entry_points.txt") or ""):
            return None
        facts = candidate.metadata
        name, version = facts["Name"] or name, facts["Version"] or version
        declared = candidate.entry_points
        entries = [entry for kind in KINDS.values() for entry in declared.select(group=kind.group)]
        contracts = {entry.name for entry in declared.select(group=CONTRACT_GROUP)}
        contracts = contracts or {str(CONTRACT) if _normal(name) == OWN else "1"}
    except Exception as error:
        return Distribution(name, version, problem=f"its metadata cannot be read ({one_line(error)})")
    kinds = {kind.group: kind for kind in KINDS.values()}
    refs = (PartRef(kinds[entry.group], entry.name, name, version, entry.value) for entry in entries)
    parts = tuple(sorted(refs, key=lambda ref: (list(KINDS).index(ref.kind.name), ref.name)))
    found = Distribution(name, version, parts)
    groups = [entry.group for entry in declared if entry.group.startswith("srzoo.")]
    if problem := _slip(groups, [(ref.kind.name, ref.name) for ref in parts], contracts):
        return _refused(found, problem)
    if not entries:
        return None
    found = replace(found, contracts=tuple(sorted(map(int, contracts))))
    problem = _contract_problem(found)
    return _refused(found, problem) if problem else found


def _slip(groups: list[str], parts: list[tuple[str, str]], contracts: set[str]) -> str:
    """What is wrong with how a distribution declares its parts; empty if nothing is."""
    known = [CONTRACT_GROUP, *(kind.group for kind in KINDS.values())]
    for group in sorted(set(groups) - set(known)):
        if meant := suggestion(group, known):
            return f"it declares the entry-point group {group!r}{meant}"
    if twice := [f"{kind} {name!r}" for (kind, name), count in Counter(parts).items() if count > 1]:
        return f"it declares {', '.join(twice)} more than once"
    if odd := [name for _, name in parts if set(name) & set(":/")]:
        return f"names of parts cannot have ':' or '/', and it has {', '.join(odd)}"
    if wrong := sorted(each for each in contracts if not each.isdecimal()):
        return f'it declares the contract {wrong[0]!r}, which is no number; write {CONTRACT} = "srzoo.contracts"'
    return ""


_UNKNOWN = "unknown"


def _folder(candidate: metadata.Distribution) -> tuple[str, str]:
    """Name and version of a distribution as its folder has them, which can be read where the metadata cannot."""
    folder = getattr(candidate, "_path", None)  # no public way leads to it
    name, _, version = getattr(folder, "stem", _UNKNOWN).partition("-")
    return name, version


def _refused(found: Distribution, problem: str) -> Distribution:
    """A distribution whose parts are known and are not to be used."""
    return replace(found, parts=(), withheld=found.parts, problem=problem)


def _contract_problem(found: Distribution) -> str:
    """What to upgrade where a distribution was written for other contracts than this srzoo keeps."""
    if CONTRACT in found.contracts:
        return ""
    newer = max(found.contracts) > CONTRACT
    return (
        f"it was written for contract {' and '.join(map(str, found.contracts))} and this srzoo keeps {CONTRACT}; "
        f"pip install -U {OWN if newer else found.name}"
    )


def _normal(name: str) -> str:
    """Spell a distribution's name the one way in which names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _check_variant(ref: PartRef, variant: str) -> None:
    """Make sure that ``family/variant`` means something."""
    if not variant:
        raise PartNotFoundError(
            f"{ref.name}/ names no variant: write {ref.name}/VARIANT, "
            f"see: srzoo list {ref.kind.plural} --family {ref.name}"
        )
    parameter = inspect.signature(ref.load()).parameters.get("variant")
    if parameter is None or parameter.kind != parameter.KEYWORD_ONLY:
        raise PartNotFoundError(f"{ref.kind.name} {ref.name!r} has no variants: write {ref.name} without /{variant}")


REGISTRY = Registry()
"""The parts of this Python environment."""
