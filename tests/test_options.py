"""Options are read from signatures, checked, and written out so that they read back as the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from srzoo.errors import BrokenPluginError, OptionError
from srzoo.options import Option, construct, construct_kwargs, describe, parse_assignment, resolve


class Example:
    def __init__(
        self,
        spec: object,
        *,
        blocks: Annotated[int, Field(ge=1, le=64, description="Residual\n   blocks.")] = 8,
        slope: Annotated[float, Field(gt=0, description="Slope.")] = 1,
        widths: Annotated[tuple[int, ...], Field(min_length=1, description="Channels.")] = (32, 64),
        window: Annotated[tuple[int, int] | None, Field(description="Window.")] = None,
        activation: Annotated[Literal["relu", "gelu"], Field(description="Activation.")] = "relu",
        bias: Annotated[bool, Field(description="Bias.")] = True,
        weights: Annotated[Path | None, Field(description="File.")] = None,
    ) -> None: ...


class Bare:
    def __init__(self, spec: object) -> None: ...


def test_describe_tells_name_type_default_range_and_help() -> None:
    options = {option.name: option for option in describe(Example)}
    assert list(options) == ["blocks", "slope", "widths", "window", "activation", "bias", "weights"]
    assert options["blocks"] == Option("blocks", "int", 8, ">= 1, <= 64", "Residual blocks.")
    assert options["slope"].default == 1.0 and isinstance(options["slope"].default, float)
    assert (options["widths"].type, options["widths"].default) == ("list of int", [32, 64])
    assert (options["window"].type, options["window"].allowed) == ("list of int | none", "2 items")
    assert (options["activation"].type, options["activation"].allowed) == ("choice", "relu, gelu")
    assert describe(Bare) == ()


def test_resolve_writes_out_every_option_as_json() -> None:
    values = resolve(Example, {"blocks": 3, "window": (4, 8), "weights": "a/b.bin"}, "encoder example")
    assert json.loads(json.dumps(values)) == values
    assert values["blocks"] == 3 and values["window"] == [4, 8] and values["widths"] == [32, 64]
    assert list(values) == [option.name for option in describe(Example)]
    assert resolve(Example, values, "encoder example") == values
    assert resolve(Bare, {}, "encoder bare") == {}


def test_construct_kwargs_turns_lists_back_into_tuples() -> None:
    values = resolve(Example, {"window": [4, 8], "weights": "a/b.bin"}, "encoder example")
    kwargs = construct_kwargs(Example, values, "encoder example")
    assert kwargs["window"] == (4, 8) and kwargs["widths"] == (32, 64) and kwargs["weights"] == Path("a/b.bin")
    Example(None, **kwargs)


def test_unknown_option_lists_the_known_and_suggests_one() -> None:
    with pytest.raises(OptionError) as caught:
        resolve(Example, {"block": 3}, "encoder example")
    message = str(caught.value)
    assert message.startswith("encoder example has no option 'block' (did you mean 'blocks'?): known options are")
    assert "activation" in message and "\n" not in message
    with pytest.raises(OptionError, match="encoder bare has no option 'x': it has no options"):
        resolve(Bare, {"x": 1}, "encoder bare")
    with pytest.raises(OptionError, match="has no option 'nope'"):
        construct_kwargs(Example, {"nope": 1}, "encoder example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("blocks", 0),
        ("blocks", 65),
        ("blocks", "8"),
        ("blocks", 8.5),
        ("blocks", True),
        ("blocks", None),
        ("slope", float("nan")),
        ("slope", float("inf")),
        ("slope", "steep" * 50),
        ("widths", []),
        ("widths", [1.5]),
        ("window", [1, 2, 3]),
        ("activation", "tanh"),
        ("bias", 1),
        ("bias", object()),
    ],
)
def test_wrong_values_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(OptionError) as caught:
        resolve(Example, {name: value}, "encoder example")
    message = str(caught.value)
    assert message.startswith(f"encoder example: option {name!r} cannot be ")
    assert "it takes" in message and f"for example {name}=" in message
    assert "\n" not in message and len(message) < 250


class Variadic:
    def __init__(self, spec: object, *, blocks: Annotated[int, Field(description="Blocks.")] = 1, **rest: int): ...


class Starred:
    def __init__(self, *args: object) -> None: ...


class WithoutDefault:
    def __init__(self, spec: object, *, blocks: Annotated[int, Field(description="Blocks.")]) -> None: ...


class Undescribed:
    def __init__(self, spec: object, *, blocks: int = 1) -> None: ...


class Untyped:
    def __init__(self, spec, *, blocks=1): ...  # type: ignore[no-untyped-def]


class WrongDefault:
    def __init__(self, spec: object, *, blocks: Annotated[int, Field(ge=2, description="Blocks.")] = 1) -> None: ...


class NotJson:
    def __init__(self, spec: object, *, part: Annotated[Bare | None, Field(description="A part.")] = None) -> None: ...


class Unresolvable:
    def __init__(self, spec: object, *, blocks: Missing = 1) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("cls", "complaint"),
    [
        (Variadic, r"takes \*\*rest"),
        (Starred, r"takes \*args"),
        (WithoutDefault, "has no default"),
        (Undescribed, "is not described"),
        (Untyped, "is not described"),
        (WrongDefault, "default .* does not fit"),
        (NotJson, "cannot be written as JSON"),
        (Unresolvable, "cannot be read"),
    ],
)
def test_classes_that_break_the_rules_are_named(cls: type, complaint: str) -> None:
    for ask in (describe, lambda cls: resolve(cls, {}, "encoder x"), lambda cls: construct_kwargs(cls, {}, "x")):
        with pytest.raises(BrokenPluginError, match=complaint) as caught:
            ask(cls)
        assert cls.__qualname__ in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("encoder.blocks=8", ("encoder", "blocks"), 8),
        ("scale = 4", ("scale",), 4),
        ("a=1e-4", ("a",), 1e-4),
        ("a=[1, 2]", ("a",), [1, 2]),
        ('a={"b": 1}', ("a",), {"b": 1}),
        ('a="8"', ("a",), "8"),
        ("a=true", ("a",), True),
        ("a=False", ("a",), False),
        ("a=none", ("a",), None),
        ("a=null", ("a",), None),
        ("a=64,128", ("a",), [64, 128]),
        ("a=0.5, 2,", ("a",), [0.5, 2]),
        ("a=1,x", ("a",), "1,x"),
        ("a=timm/convnext_tiny", ("a",), "timm/convnext_tiny"),
        ("a=b=c", ("a",), "b=c"),
        ("a=", ("a",), ""),
        ("a=,", ("a",), ","),
        ("a=NaN", ("a",), "NaN"),
        ("a=" + "[" * 100_000, ("a",), "[" * 100_000),
    ],
)
def test_parse_assignment(text: str, path: tuple[str, ...], value: Any) -> None:
    assert parse_assignment(text) == (path, value)
    assert type(parse_assignment(text)[1]) is type(value)


@pytest.mark.parametrize("text", ["blocks", "=8", "encoder.=8", "encoder..blocks=8", ""])
def test_parse_assignment_refuses_what_assigns_nothing(text: str) -> None:
    with pytest.raises(OptionError, match="write path=value"):
        parse_assignment(text)


def test_a_constructor_that_fails_or_ends_the_process_is_named() -> None:
    class Unlucky:
        def __init__(self, scale: int, *, how: Annotated[str, Field(description="How.")] = "exit") -> None:
            sys.exit(3) if how == "exit" else [][0]

    for how, says in (("exit", "SystemExit: 3"), ("index", "IndexError: list index")):
        with pytest.raises(BrokenPluginError, match=rf"loss unlucky could not be built from \(4\): {says}"):
            construct(Unlucky, 4, options={"how": how}, owner="loss unlucky")


def test_importing_options_does_not_import_pydantic() -> None:
    code = "import sys, srzoo.options; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
