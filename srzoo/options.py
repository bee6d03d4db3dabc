"""Options: the keyword-only parameters of a part's ``__init__``, read, checked and written out.

The signature alone feeds the command line, the validation and the JSON in model files. An option is typed,
described and has a default: ``*, blocks: Annotated[int, Field(ge=1, description="Residual blocks.")] = 8``.

Two forms of a value: `resolve` returns JSON values (a tuple is a list), ready for a file; `construct_kwargs`
turns them into what the constructor takes (a tuple again). pydantic is imported only when options are read.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from srzoo.errors import AssemblyError, BrokenPluginError, OptionError, SrzooError
from srzoo.messages import one_line, shortened, suggestion, traced_line

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

_TYPE_NAMES = {
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "string": "str",
    "null": "none",
    "object": "table",
}
"""JSON schema types, as a reader of the command line knows them."""

_LIMITS = {
    "minimum": ">=",
    "exclusiveMinimum": ">",
    "maximum": "<=",
    "exclusiveMaximum": "<",
    "multipleOf": "multiple of",
    "pattern": "matching",
    "minLength": "characters >=",
    "maxLength": "characters <=",
}
"""JSON schema limits, likewise."""


@dataclass(frozen=True)
class Option:
    """What a user may set on a part."""

    name: str
    """Name of the keyword-only parameter."""

    type: str
    """Type, such as ``int`` or ``list of float``."""

    default: Any
    """Default, as a JSON value."""

    allowed: str
    """Range or choices, such as ``>= 1`` or ``relu, gelu``; empty where the type says it all."""

    help: str
    """One sentence from the signature."""


@dataclass(frozen=True)
class _Reader:
    """One option and how to check values for it."""

    option: Option
    adapter: TypeAdapter[Any]

    def read(self, value: Any) -> Any:
        """Turn a JSON value into what the constructor takes; raises ValueError where it does not fit."""
        # JSON mode: strict about numbers, text and booleans, yet a list is a tuple's way to be written.
        return self.adapter.validate_json(json.dumps(value, allow_nan=False), strict=True)

    def write(self, value: Any) -> Any:
        """Turn a constructor's value into the JSON value that reads back as the same."""
        written = self.adapter.dump_python(value, mode="json")
        self.read(written)
        return written


def describe(cls: type) -> tuple[Option, ...]:
    """List the options of a part, in the order of its signature.

    Raises:
        BrokenPluginError: The class breaks the rules for options.
    """
    return tuple(reader.option for reader in _readers(cls).values())


def resolve(cls: type, given: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Check options and write out every one of them, defaults included.

    Args:
        cls: The part's class.
        given: Options by name, as JSON values (tuples are taken for lists).
        owner: Who the options are for, as messages should call it, such as ``encoder strided``.

    Returns:
        Every option of the part by name, as JSON values. Feeding them to `resolve` again changes nothing.

    Raises:
        OptionError: An option is unknown, or its value has a wrong type or range.
        BrokenPluginError: The class breaks the rules for options.
    """
    readers = _readers(cls)
    _refuse_unknown(given, readers, owner)
    return {
        name: reader.write(_read(reader, given[name], owner)) if name in given else reader.option.default
        for name, reader in readers.items()
    }


def construct_kwargs(cls: type, options: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Turn options, such as `resolve` returns, into keyword arguments of ``cls``.

    Raises:
        OptionError: An option is unknown, or its value has a wrong type or range.
        BrokenPluginError: The class breaks the rules for options.
    """
    readers = _readers(cls)
    _refuse_unknown(options, readers, owner)
    return {name: _read(readers[name], value, owner) for name, value in options.items()}


def construct(cls: Callable[..., T], *given: Any, options: Mapping[str, Any], owner: str) -> T:
    """Make a part from what srzoo hands it and its options; whatever goes wrong is said of the part.

    Args:
        cls: The part's class.
        *given: What comes before the options, such as specs or a scale.
        options: Options, such as `resolve` returns.
        owner: What messages call the part.

    Raises:
        AssemblyError: The part refuses what it is given.
        BrokenPluginError: The constructor fails, or ends the process.
    """
    try:
        return cls(*given, **construct_kwargs(cls, options, owner))  # type: ignore[arg-type]
    except AssemblyError as error:
        raise AssemblyError(f"{owner}: {error}") from error
    except (SrzooError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a constructor may call sys.exit
        offered = ", ".join(map(str, given))
        raise BrokenPluginError(f"{owner} could not be built from ({offered}): {traced_line(error)}") from error


def parse_assignment(text: str) -> tuple[tuple[str, ...], Any]:
    """Split ``encoder.blocks=8`` into its path and its value: ``(("encoder", "blocks"), 8)``.

    The value is read as JSON, else as ``true``, ``false`` or ``none`` in any case, else as numbers between
    commas (``64,128`` is a list), else as text.

    Raises:
        OptionError: There is no ``=``, or nothing to assign to.
    """
    target, equals, value = text.partition("=")
    path = tuple(key.strip() for key in target.split("."))
    if not equals or not all(path):
        raise OptionError(f"{text!r} is not an assignment: write path=value, such as encoder.blocks=8")
    return path, _parse_value(value.strip())


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        pass
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return [_parse_number(item) for item in text.removesuffix(",").split(",")]
    except ValueError:
        return text


def _parse_number(text: str) -> int | float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not JSON")
    return int(text) if text.strip().lstrip("+-").isdigit() else number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _refuse_unknown(given: Mapping[str, Any], known: Mapping[str, Any], owner: str) -> None:
    for name in given:
        if name not in known:
            options = f"known options are {', '.join(known)}" if known else "it has no options"
            raise OptionError(f"{owner} has no option {name!r}{suggestion(name, known)}: {options}")


def _read(reader: _Reader, value: Any, owner: str) -> Any:
    from pydantic import ValidationError

    option = reader.option
    if value is None and "none" in option.allowed.split(", "):
        value = "none"  # a choice, which the command line cannot tell from nothing
    try:
        return reader.read(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = f" ({first['msg']})" if first["type"] == "value_error" else ""
    except (TypeError, ValueError):  # not JSON: an object, NaN or infinity
        reason = ""
    shown = shortened(repr(value))
    wanted = f"{option.type} ({option.allowed})" if option.allowed else option.type
    raise OptionError(
        f"{owner}: option {option.name!r} cannot be {shown}{reason}: it takes {wanted}; "
        f"for example {option.name}={json.dumps(option.default)}"
    )


def _readers(cls: type) -> dict[str, _Reader]:
    """Read the options from the signature of ``cls.__init__``."""
    where = f"{cls.__module__}.{cls.__qualname__}"
    try:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
        hints = get_type_hints(cls.__init__, include_extras=True)  # type: ignore[misc]
    except Exception as error:
        raise BrokenPluginError(f"the options of {where} cannot be read: {one_line(error)}") from error
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise BrokenPluginError(
                f"{where} takes {str(parameter).split(':')[0]}: give it an __init__ that names every option after '*'"
            )
    options = [parameter for parameter in parameters if parameter.kind == parameter.KEYWORD_ONLY]
    return {parameter.name: _reader(parameter, hints.get(parameter.name, Any), where) for parameter in options}


def _reader(parameter: inspect.Parameter, hint: Any, where: str) -> _Reader:
    """Read one option; every complaint is for the author of the part."""
    from pydantic import TypeAdapter

    what = f"option {parameter.name!r} of {where}"
    if parameter.default is parameter.empty:
        raise BrokenPluginError(f"{what} has no default: write {parameter.name}: ... = VALUE")
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        schema = adapter.json_schema()
    except Exception as error:  # pydantic raises many kinds, none of them with a common base
        raise BrokenPluginError(f"the type of {what} cannot be written as JSON: {one_line(error)}") from error
    help_text = " ".join(str(schema.get("description", "")).split())
    if not help_text:
        raise BrokenPluginError(
            f'{what} is not described: write {parameter.name}: Annotated[TYPE, Field(description="...")] = ...'
        )
    definitions = schema.get("$defs", {})
    draft = Option(parameter.name, _type_text(schema, definitions), None, _allowed_text(schema, definitions), help_text)
    try:
        default = _Reader(draft, adapter).write(parameter.default)
    except Exception as error:
        raise BrokenPluginError(f"the default of {what} does not fit its own type: {one_line(error)}") from error
    return _Reader(Option(draft.name, draft.type, default, draft.allowed, draft.help), adapter)


def _follow(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put the definition in place of a reference to it."""
    return {**definitions[schema["$ref"].rsplit("/", 1)[-1]], **schema} if "$ref" in schema else schema


def _type_text(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    schema = _follow(schema, definitions)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type_text(item, definitions) for item in schema["anyOf"]))
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})]
        return "list of " + " and ".join(dict.fromkeys(_type_text(item, definitions) for item in items))
    if "enum" in schema or "const" in schema:
        return "choice"
    return _TYPE_NAMES.get(schema.get("type", ""), "any")


def _allowed_text(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    schema = _follow(schema, definitions)
    if "anyOf" in schema:
        return " | ".join(filter(None, (_allowed_text(item, definitions) for item in schema["anyOf"])))
    if "enum" in schema or "const" in schema:
        return ", ".join(str(choice) for choice in schema.get("enum", [schema.get("const")]))
    texts = [f"{sign} {schema[key]}" for key, sign in _LIMITS.items() if key in schema]
    if schema.get("type") == "array":
        least, most = schema.get("minItems"), schema.get("maxItems")
        if least is not None:
            texts.append(f"{least} items" if least == most else f"items >= {least}")
        if most is not None and least != most:
            texts.append(f"items <= {most}")
        items = schema.get("prefixItems") or [schema.get("items", {})]
        texts += [f"each {text}" for text in dict.fromkeys(_allowed_text(item, definitions) for item in items) if text]
    return ", ".join(texts)
