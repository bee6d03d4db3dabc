"""The program as a whole: fast start, help that teaches, one way to fail; and list, show and plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from srzoo import zoo
from srzoo.cli import main
from srzoo.cli.catalogue import files
from srzoo.cli.output import cell_text, print_json, print_table
from srzoo.cli.program import COMMANDS, _take_debug
from srzoo.errors import DataError, UsageError

HEAVY = ("torch", "numpy", "pydantic", "timm", "rich")


@pytest.fixture(autouse=True)
def _only_own_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_PLUGINS", "")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), prog_name="srzoo")


def start(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "srzoo", *arguments], capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


def test_module_and_script_are_the_same_program() -> None:
    script = Path(sys.executable).with_name("srzoo")
    outputs = [
        subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
        for command in ([sys.executable, "-m", "srzoo"], [str(script)])
    ]
    assert outputs[0] == outputs[1] and outputs[0].startswith("Usage: srzoo ")
    assert all(f"  {name} " in outputs[0] for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["list"], ["list", "--json"], ["list", "--help"], ["show", "--help"]]
)
def test_starting_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, srzoo.cli\n"
        f"try: srzoo.cli.main({arguments}, prog_name='srzoo')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "[]")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_examples(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0, result.output
    assert f"srzoo {command}" in result.stdout.partition("Examples:")[2], f"srzoo {command} --help shows no examples"


def test_no_command_shows_the_help() -> None:
    assert "Usage: srzoo" in run().output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lst"], "error: there is no command 'lst' (did you mean 'list'?): see: srzoo --help"),
        (["list", "--jsn"], "see: srzoo list --help"),
        (["list", "decodrs"], "error: there is no kind 'decodrs' (did you mean 'decoders'?): write one of"),
        (["list", "--family", "bicubic"], "error: upscaler 'bicubic' ships no catalogue"),
        (["list", "--family", "nothing"], "error: there is no part 'nothing'"),
        (["list", "encoders", "--family", "nothing"], "error: there is no encoder 'nothing'"),
        (["show"], "see: srzoo show --help"),
        (["show", "bicubic"], "srzoo show upscaler bicubic"),
        (["show", "model.bin"], "error: there is no model 'model.bin': write a model of srzoo list models"),
        (["show", "upscaler", "bicubik"], "(did you mean 'bicubic'?)"),
        (["show", "upscaler", "bicubic/x"], "has no variants"),
        (["show", "preset", "nothing"], "'nothing'"),
    ],
)
def test_wrong_use_ends_with_one_line_and_status_2(arguments: list[str], message: str) -> None:
    for extra in ([], ["--debug"]):
        result = run(*arguments, *extra)
        lines = result.stderr.splitlines()
        assert result.exit_code == 2 and result.stdout == ""
        assert message in lines[-1] and lines[-1].startswith("error: ")
        assert ("Traceback" in result.stderr) == (len(lines) > 1) == bool(extra)


def test_a_missing_model_file_is_an_error() -> None:
    result = run("show", "missing.safetensors")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: there is no model file missing.safetensors: check the path\n",
    )


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UsageError("no such thing:\ntry another"), 2, "error: no such thing: try another"),
        (DataError("no data"), 1, "error: no data"),
        (ValueError("a\nb"), 1, "error: ValueError: a b (run again with --debug for the traceback)"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
        (OSError(28, "No space left on device", "x.bin"), 1, "error: no space left to write x.bin: free some"),
        (click.BadParameter("no good"), 2, "error: Invalid value: no good"),
        (click.exceptions.Exit(3), 3, ""),
    ],
)
def test_every_error_ends_in_one_way(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, message: str
) -> None:
    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setitem(COMMANDS, "fail", (f"{__name__}:fail", ""))
    monkeypatch.setattr(sys.modules[__name__], "fail", fail, raising=False)
    result = run("fail")
    assert result.exit_code == status
    assert result.stderr.strip().startswith(message) and len(result.stderr.strip().splitlines()) == bool(message)
    if isinstance(error, ValueError):
        shown = run("fail", "--debug").stderr
        assert "Traceback" in shown and shown.endswith("error: ValueError: a b\n")
        assert "Traceback" in run("--debug", "fail").stderr


def test_debug_after_a_double_dash_is_an_argument() -> None:
    assert _take_debug(["a", "--debug", "--", "--debug"]) == (["a", "--", "--debug"], True)
    assert _take_debug(["a", "--", "--debug"]) == (["a", "--", "--debug"], False)


def test_a_closed_or_full_output_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "srzoo", "list"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "srzoo", "list"], stdout=full, stderr=subprocess.PIPE, text=True
            )
        assert (done.returncode, done.stderr.startswith("error: no space left")) == (1, True)
        assert len(done.stderr.splitlines()) == 1


def test_an_output_that_lacks_letters_is_no_error() -> None:
    done = start("list", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")


def test_list_shows_parts_presets_and_recipes() -> None:
    rows = json.loads(run("list", "--json").stdout)
    named = {(row["kind"], row["name"]): row["distribution"] for row in rows}
    assert named["upscaler", "bicubic"] == named["preset", "reference"] == "srzoo"
    assert all(row["summary"] for row in rows), [row["name"] for row in rows if not row["summary"]]
    for kind in ("pre-encoders", "decoder", "presets"):
        listed = json.loads(run("list", kind, "--json").stdout)
        assert listed == [row for row in rows if row["kind"] == kind.replace("-", "_").removesuffix("s")] != []
    assert [row["name"] for row in json.loads(run("list", "upscalers", "--filter", "*c*", "--json").stdout)] == [
        "bicubic",
        "lanczos",
    ]
    nothing = run("list", "--filter", "zzz")
    assert (nothing.exit_code, nothing.stdout) == (0, "") and nothing.stderr.startswith("warning: nothing found")


def test_trained_models_are_listed_with_what_they_reach() -> None:
    rows = {row["name"]: row["summary"] for row in json.loads(run("list", "models", "--json").stdout)}
    assert set(rows) == set(zoo.shipped())
    assert rows["reference-x2"].startswith("x2, ") and "dB on Set5, by l1, then mse: " in rows["reference-x2"]
    assert run("show", "model", "reference").stdout == run("show", "reference").stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed-narrow", "srzoo show preset seed-narrow or srzoo show recipe seed-narrow"),
        ("refrence", "there is no model 'refrence' (did you mean 'reference'?)"),
    ],
)
def test_what_cannot_be_shown_is_answered_with_what_can(text: str, says: str) -> None:
    refused = run("show", text)
    assert refused.exit_code == 2 and says in refused.stderr


def test_list_browses_a_catalogue() -> None:
    rows = json.loads(run("list", "--family", "timm", "--filter", "convnext_t*", "--json").stdout)
    assert rows and all(row["name"].startswith("timm/convnext_t") and row["kind"] == "encoder" for row in rows)
    judges = json.loads(run("list", "discriminators", "--family", "feature", "--json").stdout)
    assert "feature/convnext_tiny" in {row["name"] for row in judges} and not any(row["fixed_size"] for row in judges)
    assert run("list", "encoders", "--family", "timm").stdout.startswith("kind")


def test_show_explains_a_part() -> None:
    text = run("show", "upscalers", "srzoo:bicubic").stdout
    assert "srzoo:bicubic" in text and "distribution" in text
    for kind, name in (("decoder", "deconv"), ("encoder", "timm"), ("pre-encoder", "conv")):
        shown = json.loads(run("show", kind, name, "--json").stdout)
        assert shown["options"] and all(
            set(option) >= {"name", "type", "default", "help"} for option in shown["options"]
        )
        assert shown["options"][0]["name"] in run("show", kind, name).stdout


@pytest.mark.parametrize(("what", "name"), [(what, name) for what in ("preset", "recipe") for name in files(what)])
def test_show_prints_presets_and_recipes_as_toml(what: str, name: str) -> None:
    text = run("show", what, name).stdout
    assert tomllib.loads(text) == json.loads(run("show", f"{what}s", name, "--json").stdout)["content"]


def test_show_prints_what_a_model_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.safetensors"
    file.touch()
    facts = {"scale": 4, "config": {"encoder": {"name": "strided", "widths": [8, 16]}}, "scores": [{"psnr_y": 28.5}]}
    monkeypatch.setattr("srzoo.checkpoint.describe", lambda path: facts if path == file else {})
    assert json.loads(run("show", str(file), "--json").stdout) == facts
    assert run("show", str(file)).stdout.splitlines() == [
        "scale  4",
        "config",
        "  encoder",
        "    name    strided",
        "    widths  8, 16",
        "scores",
        "  psnr_y  28.5",
    ]


def test_plugins_tells_what_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "srzoo_broken-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: srzoo-broken\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[srzoo.upscalers]\nbad = fake_bad:X\n")
    (tmp_path / "fake_bad.py").write_text("import a_module_that_is_missing")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SRZOO_PLUGINS": "srzoo-broken"}
    done = start("plugins", env=environment)
    assert done.returncode == 0 and "broken" in done.stdout
    assert done.stderr.startswith("warning: upscaler 'bad' of srzoo-broken 2.0 cannot be imported (ModuleNotFoundError")
    found = {entry["name"]: entry for entry in json.loads(start("plugins", "--json", env=environment).stdout)}
    assert found["srzoo"]["parts"]["upscaler"][0]["state"] == "built in"
    assert found["srzoo-broken"]["parts"]["upscaler"][0]["state"] == "broken"
    done = start("plugins", env={**environment, "SRZOO_PLUGINS": ""})
    assert "switched off by SRZOO_PLUGINS" in done.stderr


def test_tables_are_plain_and_whole_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "count"), [["x" * 300, 7], ["[red]y", None]], title="Things")
    assert capsys.readouterr().out.splitlines() == [
        "Things",
        f"{'name':<300}  count",
        f"{'x' * 300}      7",
        "[red]y",
    ]


def test_tables_for_people_keep_every_letter(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    print_table(("name", "count"), [["x" * 150, 7], ["[red]y", None]])
    shown = capsys.readouterr().out
    assert shown.count("x") == 150 and "[red]y" in shown


def test_tables_for_people_fold_text_and_neither_names_nor_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    rows = [["timm/convnext_atto", 3373880, "what it is, in words, as many as it takes"]]
    for columns in ("60", "30"):
        monkeypatch.setenv("COLUMNS", columns)
        print_table(("name", "parameters", "summary"), rows)
        shown = capsys.readouterr().out
        assert "timm/convnext_atto" in shown and "3373880" in shown
        assert all(word in shown.split() for word in rows[0][2].split())
    print_table(("one", "two"), [[1, 2], [3, 4]])
    assert capsys.readouterr().out.split()[-4:] == ["1", "2", "3", "4"]


def test_values_are_written_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert [cell_text(value) for value in (None, True, 1000, 0.1234567, [1, 2], {"a": 1}, "a\nb")] == [
        *("", "yes", "1000", "0.123457", "1, 2", "a=1", "a b")
    ]
    print_json({"a": [float("inf"), Path("x")], "b": "é"})
    assert json.loads(capsys.readouterr().out) == {"a": [None, "x"], "b": "é"}


def test_the_numbers_of_a_column_have_the_same_decimals(capsys: pytest.CaptureFixture[str]) -> None:
    from srzoo.cli.output import print_table

    print_table(["name", "value"], [["a", 1.25], ["b", 3.0], ["c", float("inf")], ["d", None], ["e", -2]])
    assert [line.split()[1:] for line in capsys.readouterr().out.splitlines()] == [
        ["value"],
        ["1.25"],
        ["3.00"],
        ["inf"],
        [],
        ["-2.00"],
    ]
