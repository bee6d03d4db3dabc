"""What `srzoo new-plugin` writes is whole: it passes lint, types, its own tests and the kit as it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from command import srzoo
from environment import Environment, lay_down
from PIL import Image

from srzoo.cli import main
from srzoo.data.pairs import sample_pairs
from srzoo.registry import KINDS, REGISTRY
from srzoo.testing import CHECKS
from srzoo.testing.subject import Subject

TUTORIAL = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text(encoding="utf-8")

BLOCK = re.compile(r"(?:`([^`\n]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)
"""A block of code, with the name of the file before it where it is one."""


def name_of(kind: str) -> str:
    return f"srzoo-fresh-{kind.replace('_', '-')}"


def write(kind: str, folder: Path) -> Path:
    """A plugin as the command writes it."""
    done = srzoo("new-plugin", name_of(kind), "--kind", kind, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"pip install -e {name_of(kind)}" in done.stdout and f"srzoo check {name_of(kind)}" in done.stdout
    return folder / name_of(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_part_keeps_what_its_kind_promises(kind: str, tmp_path: Path, site: Path) -> None:
    lay_down(write(kind, tmp_path), site)
    REGISTRY.refresh()
    found = REGISTRY.distribution(name_of(kind))
    (part,) = found.parts
    assert (part.kind.name, part.name, found.contracts) == (kind, name_of(kind).removeprefix("srzoo-"), (1,))
    subject = Subject(kind, part.qualified)
    quick = [check for check in CHECKS[kind] if check.name not in ("meta", "exports")]
    assert {check.name: reason for check in quick if (reason := check.reason(subject))} == {}


def test_a_new_plugin_has_all_that_one_needs(tmp_path: Path) -> None:
    folder = write("pre_encoder", tmp_path)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    package = "srzoo_fresh_pre_encoder"
    assert files == {
        *("LICENSE", "README.md", "pyproject.toml", "tests/test_conformance.py"),
        *(f"{package}/__init__.py", f"{package}/py.typed", f"{package}/pre_encoder.py"),
    }
    assert len((folder / "tests" / "test_conformance.py").read_text().splitlines()) < 7
    assert "class FreshPreEncoder(PreEncoder):" in (folder / package / "pre_encoder.py").read_text()
    assert not any("$" in (folder / name).read_text() for name in files)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("Srzoo-Mine", "decoder", "begin with a small letter"),
        ("srzoo mine", "decoder", "begin with a small letter"),
        ("srzoo-", "decoder", "begin with a small letter"),
        ("srzoo-2x", "decoder", "also behind srzoo-"),
        ("../mine", "decoder", "begin with a small letter"),
        ("json", "decoder", "json means something in Python already"),
        ("class", "decoder", "class means something in Python already"),
        ("torch", "decoder", "torch means something in Python already"),
        ("srzoo", "decoder", "the name srzoo means something in Python already"),
        ("srzoo-shuffle", "decoder", "srzoo has a decoder 'shuffle' of its own"),
        ("srzoo-mine", "decodr", "there is no kind 'decodr' (did you mean 'decoder'?)"),
        ("taken", "decoder", "taken exists already"),
    ],
)
def test_what_cannot_be_a_plugin_is_refused(name: str, kind: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    done = srzoo("new-plugin", name, "--kind", kind, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["taken"]


def test_the_folder_may_be_another(tmp_path: Path) -> None:
    assert srzoo("new-plugin", "srzoo-mine", "--kind", "decoders", "-o", "a", cwd=tmp_path).returncode == 0
    assert (tmp_path / "a" / "srzoo_mine" / "decoder.py").is_file()
    nowhere = srzoo("new-plugin", "srzoo-mine", "--kind", "decoder", "-o", "b/c", cwd=tmp_path)
    assert nowhere.returncode == 2 and "b is no folder" in nowhere.stderr and not (tmp_path / "b").exists()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    whole = Path.write_text

    def full(path: Path, *arguments: str, **options: str) -> int:
        written.append(path)
        if len(written) > 3:
            raise OSError(28, "No space left on device")
        return whole(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    result = CliRunner().invoke(main, ["new-plugin", "srzoo-mine", "--kind", "decoder", "-o", str(tmp_path / "mine")])
    assert result.exit_code == 1 and "No space left on device" in result.stderr
    assert len(written) > 3 and list(tmp_path.iterdir()) == []


# Installed, as an author has them.


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("fresh"))


def tool(*arguments: str | Path, cwd: Path) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_everything_untouched(kind: str, environment: Environment) -> None:
    folder = write(kind, environment.folder)
    tool("ruff", "check", ".", cwd=folder)
    tool("ruff", "format", "--check", ".", cwd=folder)
    tool("mypy", "--strict", "--cache-dir", environment.folder / "mypy", cwd=folder)
    environment.shell(f"pip install -e {folder.name}")
    assert f"{len(CHECKS[kind])} passed" in environment.shell(f"cd {folder.name} && pytest -p no:cacheprovider")
    checked = environment.shell(f"srzoo check {folder.name}")
    assert checked.endswith(f"1 part, {len(CHECKS[kind])} checks ran, {len(CHECKS[kind])} passed\n")


# The page that teaches it.


def test_the_page_lists_every_check() -> None:
    for checks in CHECKS.values():
        for check in checks:
            rows = [line for line in TUTORIAL.splitlines() if line.startswith(f"| `{check.name}` |")]
            assert any(f"| {check.what.rstrip('.')} |" in row for row in rows), check.name


def test_the_tutorial_takes_fewer_than_thirty_lines_of_own_code() -> None:
    (own,) = (text for place, language, text in BLOCK.findall(TUTORIAL) if place and language == "python")
    assert sum(bool(line.strip()) for line in own.splitlines()) < 30


@pytest.mark.slow
def test_the_tutorial_ends_with_a_ranked_decoder(environment: Environment) -> None:
    photos = environment.folder / "photos"
    photos.mkdir()
    for index, pair in enumerate(sample_pairs(4)[:2]):
        Image.fromarray(pair.hr[:192, :128]).save(photos / f"{index}.png")
    outputs = []
    for place, language, text in BLOCK.findall(TUTORIAL.partition("## The contracts")[0]):
        if place:
            (environment.folder / place).write_text(text, encoding="utf-8")
        elif language == "bash":
            outputs.append(environment.shell(text))
    tool("ruff", "check", ".", cwd=environment.folder / "srzoo-gated")
    tool("mypy", "--strict", cwd=environment.folder / "srzoo-gated")
    checks = len(CHECKS["decoder"])
    assert len(outputs) == 4 and f"1 part, {checks} checks ran, {checks} passed" in outputs[1]
    assert f"{checks} passed" in outputs[1].splitlines()[-1] and "gated" in outputs[2]
    assert {"gated", "bicubic", "nearest"} <= set(re.findall(r"gated|bicubic|nearest", outputs[3]))
