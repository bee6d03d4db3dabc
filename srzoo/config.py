"""What a model is made of, as plain data: presets, overrides, and the dictionary inside a model file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeGuard, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_serializer,
    model_validator,
)

from srzoo.errors import ConfigError
from srzoo.messages import suggestion
from srzoo.scale import Scale, exact_scale, plain

STAGES = ("pre_encoder", "encoder", "latent", "decoder")
"""Kinds of the parts that make an image, in the order in which it goes through them."""

PART_KINDS = (*STAGES, "discriminator")
"""Kinds that an assembled model names, in the order in which data flows."""


Checked = TypeVar("Checked", bound=BaseModel)


class PartConfig(BaseModel):
    """A part by name with the options that differ from its defaults; written as one table, ``name`` first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    """Bare (``resnet``), family (``timm/convnext_tiny``) or qualified (``srzoo:resnet``)."""

    options: dict[str, Any] = {}
    """Options by name."""

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and "options" not in value:
            return {"name": value.get("name", ""), "options": {k: v for k, v in value.items() if k != "name"}}
        return value

    @model_serializer
    def _table(self) -> dict[str, Any]:
        return {"name": self.name, **self.options}


_BASE = "bicubic"


def _base(value: Any) -> Any:
    """Nothing where there is to be none; options alone are those of the usual one."""
    if isinstance(value, Mapping) and value.keys() == {"name"}:
        value = value["name"]
    if value in (None, "", "none"):
        return None
    return {"name": _BASE, **value} if isinstance(value, Mapping) else value


class ModelConfig(BaseModel):
    """Everything that decides which network is built."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: Annotated[Scale, PlainValidator(exact_scale), PlainSerializer(plain)] = 4
    """Enlargement factor; in JSON a whole number, or text such as ``"5/2"``."""

    skips: bool = True
    """Whether the decoder is handed the pre-encoder's and encoder's maps beside the latent."""

    base: Annotated[PartConfig | None, BeforeValidator(_base)] = PartConfig(name=_BASE)
    """Upscaler whose image the network adds to, or ``"none"``."""

    pre_encoder: PartConfig
    encoder: PartConfig
    latent: PartConfig
    decoder: PartConfig
    discriminator: PartConfig

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `parse` reads them back."""
        values = self.model_dump()
        return {**values, "base": values["base"] or "none"}

    @classmethod
    def parse(cls, values: Mapping[str, Any], owner: str = "model configuration") -> ModelConfig:
        """Check ``values``.

        Raises:
            ConfigError: A key is unknown or a value has the wrong type; ``owner`` is named.
        """
        return checked(cls, {k: v for k, v in values.items() if k not in ("summary", "from")}, owner)


def checked(model: type[Checked], values: Mapping[str, Any], owner: str) -> Checked:
    """Validate ``values`` into ``model``, with one mistake as a one-line `ConfigError` that names ``owner``.

    An unknown key comes first: where another is missing, it is often that one, misspelt.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors()
        first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
        where = ".".join(_path(values, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = _keys(model, first["loc"])
            hint = suggestion(str(first["loc"][-1]), known) + (f": known are {', '.join(known)}" if known else "")
            raise ConfigError(f"{owner}: unknown key {where!r}{hint}") from None
        reason = first["msg"].removeprefix("Value error, ").replace("tuple", "list").replace("Tuple", "List")
        got = "" if first["type"] == "value_error" else f", got {first.get('input')!r}"
        raise ConfigError(f"{owner}: {where + ': ' if where else ''}{reason}{got}") from None


def _path(values: Any, steps: Sequence[int | str]) -> Iterator[str]:
    """The way to a value, in the user's words: a table of a list is called by its name."""
    for step in steps:
        try:
            values = values[step]
        except (LookupError, TypeError):
            values = None
        named = isinstance(step, int) and isinstance(values, Mapping) and "name" in values
        yield str(values["name"] if named else step)


def _keys(model: type[BaseModel], steps: Sequence[int | str]) -> list[str]:
    """The keys of the table that a path leads into; none where it leads out of what is known."""
    for step in steps[:-1]:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step)
        inside = [] if field is None else [each for each in _classes(field.annotation) if issubclass(each, BaseModel)]
        if not inside:
            return []
        model = inside[0]
    return sorted(model.model_fields)


def _classes(annotation: Any) -> Iterator[type]:
    """The classes in a type hint."""
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for each in get_args(annotation):
        yield from _classes(each)


def _named_tables(value: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    """Whether it is a list of tables that each have a name, as ``[[stages]]`` are."""
    return isinstance(value, list) and all(isinstance(table, Mapping) and "name" in table for table in value)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes``; tables are merged, but another part's ``name`` drops the old part's options.

    A list of tables with names is changed by those names.
    """
    merged, parts = dict(base), (*PART_KINDS, "base")
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, str) and isinstance(value, Mapping) and key in parts:
            old = {"name": old}
        if isinstance(value, Mapping) and _named_tables(old):
            old = {table["name"]: {inner: each for inner, each in table.items() if inner != "name"} for table in old}
        if isinstance(old, Mapping) and key in parts and isinstance(value, str):
            value = {"name": value}
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            renamed = "name" in value and value["name"] != old.get("name")
            merged[key] = dict(value) if renamed else merge(old, value)
        else:
            merged[key] = value
    return merged


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ConfigError: The file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def shipped(folder: str) -> dict[str, Path]:
    """TOML files that srzoo ships in ``presets`` or ``recipes``, by name."""
    root = Path(str(resources.files("srzoo"))) / folder
    return {path.stem: path for path in sorted(root.glob("*.toml"))}


def read_named(folder: str, name: str) -> dict[str, Any]:
    """A shipped preset or recipe by name, or the user's by path, with what it is derived ``from`` filled in.

    Raises:
        ConfigError: There is no such name or file, or files derive from each other in a circle.
    """
    return _read_named(folder, name, ())


def _read_named(folder: str, name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    kind = folder.removesuffix("s")
    if name in seen:
        raise ConfigError(f"{kind} {name!r} derives from itself: {' -> '.join((*seen, name))}")
    known = shipped(folder)
    path = known.get(name) or Path(name)
    if name not in known and path.suffix != ".toml":
        raise ConfigError(f"there is no {kind} {name!r}{suggestion(name, known)}: see: srzoo list {folder}")
    values = read_toml(path)
    parent = values.pop("from", None)
    if parent is None:
        return values
    return merge(_read_named(folder, str(parent), (*seen, name)), values)


def preset(name: str, changes: Mapping[str, Any] | None = None) -> ModelConfig:
    """The configuration of a shipped preset, or of a TOML file, with ``changes`` on top.

    Raises:
        ConfigError: There is no such preset, or a change is not valid.
    """
    return ModelConfig.parse(merge(read_named("presets", name), changes or {}), f"preset {name!r}")
