"""Plugins that do their worst: each harms only itself, and is named with its distribution.

Also what a plugin that was written for another contract is told.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command import srzoo
from environment import write_metadata

from srzoo.apart import Tell, apart
from srzoo.assembly import build_model
from srzoo.benchmark.run import run
from srzoo.checkpoint import save_model
from srzoo.config import preset
from srzoo.data.pairs import sample_pairs
from srzoo.errors import BrokenPluginError, PartNotFoundError
from srzoo.registry import OWN, REGISTRY
from srzoo.summary import summarize

DECODER = '''
from srzoo.contracts import Decoder
from torch import nn

class Part(Decoder):
    """Looks at the deepest map alone."""

    def __init__(self, specs, target):
        {construct}
        super().__init__()
        factor = int(specs[-1].stride / target.stride)
        self.layers = nn.Sequential(nn.Conv2d(specs[-1].channels, 3 * factor**2, 1), nn.PixelShuffle(factor))

    def forward(self, features):
        {forward}
        return self.layers(features[-1])
'''


def decoder(before: str = "", construct: str = "pass", forward: str = "pass") -> str:
    """A module with a decoder that works but for what is put into it."""
    return before + DECODER.format(construct=construct, forward=forward)


MODULES = {
    "raises": "raise RuntimeError('no such accelerator')",
    "exits": "import sys; sys.exit(0)",
    "vanishes": "import os; os._exit(0)",
    "lacks": "import a_module_that_is_missing",
    "endless": "import time; time.sleep(600)",
    "foreign": "class Part: ...",
    "prints": decoder(before="print('hello', flush=True)\n"),
    "fails-to-construct": decoder(construct="raise RuntimeError('out of beans')"),
    "exits-in-construction": decoder(construct="import sys; sys.exit(0)"),
    "fails-in-forward": decoder(forward="raise RuntimeError('out of beans')"),
    "exits-in-forward": decoder(forward="import sys; sys.exit(0)"),
    "too-small": decoder(forward="return features[-1][:, :3]"),
    "crashes-in-forward": decoder(forward="import ctypes; ctypes.string_at(0)"),
}
"""Distributions by name, each with one decoder of that name, and their module."""

AT_IMPORT = {
    "raises": "no such accelerator",
    "exits": "SystemExit: 0",
    "vanishes": "ended Python with status 0",
    "lacks": "No module named 'a_module_that_is_missing'",
    "endless": "took longer than",
    "foreign": "is not a subclass of srzoo.contracts.Decoder",
}
"""What `srzoo plugins` says of those that importing finds out."""

Install = Callable[..., Path]


def install(site: Path, name: str, **extra: dict[str, str]) -> None:
    """Install one of `MODULES`."""
    module = f"hostile_{name.replace('-', '_')}"
    (site / f"{module}.py").write_text(MODULES[name])
    write_metadata(site, f"srzoo-{name}", "1.2", {"srzoo.decoders": {name: f"{module}:Part"}, **extra})
    REGISTRY.refresh()


# Assembling.


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("raises", "cannot be imported (RuntimeError: no such accelerator at site/hostile_raises.py:1)"),
        ("exits", "cannot be imported (SystemExit: 0)"),
        ("lacks", "cannot be imported (ModuleNotFoundError"),
        ("foreign", "is not a subclass of srzoo.contracts.Decoder"),
        ("fails-to-construct", "RuntimeError: out of beans at site/hostile_fails_to_construct.py:9"),
        ("exits-in-construction", "SystemExit: 0"),
    ],
)
def test_a_model_is_not_built_and_the_culprit_is_named(site: Path, name: str, cause: str) -> None:
    install(site, name)
    with pytest.raises(BrokenPluginError) as caught:
        build_model(preset("reference", {"decoder": {"name": name}}))
    message = str(caught.value)
    assert f"srzoo-{name}" in message and cause.strip("()") in message and "\n" not in message
    assert build_model(preset("reference")).config["decoder"]["name"].startswith("srzoo:")


def test_a_part_that_prints_is_used_all_the_same(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(site, "prints")
    model = build_model(preset("reference", {"decoder": {"name": "prints"}}))
    assert model(torch.rand(1, 3, 4, 6)).sr.shape == (1, 3, 16, 24)
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize("name", ["fails-in-forward", "exits-in-forward"])
def test_what_fails_in_use_is_named_and_the_others_are_measured(site: Path, name: str) -> None:
    install(site, name)
    config = preset("reference", {"decoder": {"name": name}})
    with pytest.raises(BrokenPluginError, match=rf"decoder srzoo-{name}:{name} failed in use \((Runtime|SystemExit)"):
        summarize(config, (8, 8))
    save_model(build_model(config), site / "m.safetensors")
    pairs = sample_pairs(4)[:1]
    outcome = run([str(site / "m.safetensors"), "bicubic"], pairs, scale=4)
    assert [row.model for row in outcome.board.rows] == ["bicubic"]
    (cause,) = outcome.failed.values()
    assert f"srzoo-{name}:{name}" in cause and "\n" not in cause


def test_a_decoder_that_misses_its_target_is_named(site: Path) -> None:
    install(site, "too-small")
    with pytest.raises(
        BrokenPluginError, match=r"decoder srzoo-too-small:too-small made an image of 1x3x4x4 where 1x3x32x32"
    ):
        summarize(preset("reference", {"decoder": {"name": "too-small"}}), (8, 8))


def test_what_a_part_prints_when_it_is_imported_is_no_output_of_a_command(site: Path) -> None:
    install(site, "prints")
    (site / "hostile_prints.py").write_text(MODULES["prints"].replace('"""Looks at the deepest map alone."""', ""))
    done = start(site, "show", "decoder", "prints", "--json")
    assert done.returncode == 0 and "hello" in done.stderr
    assert json.loads(done.stdout)["summary"] == ""  # its base class has one, and that says nothing of it


# The contract.


def contracts(*numbers: str) -> dict[str, str]:
    return dict.fromkeys(numbers, "srzoo.contracts")


@pytest.mark.parametrize(
    ("numbers", "upgrade"),
    [
        (["2"], "it was written for contract 2 and this srzoo keeps 1; pip install -U srzoo"),
        (["3", "2"], "it was written for contract 2 and 3 and this srzoo keeps 1; pip install -U srzoo"),
        (["0"], "it was written for contract 0 and this srzoo keeps 1; pip install -U srzoo-prints"),
        (["one"], "it declares the contract 'one', which is no number; write 1 = \"srzoo.contracts\""),
    ],
)
def test_another_contract_is_refused_with_what_to_upgrade(site: Path, numbers: list[str], upgrade: str) -> None:
    install(site, "prints", **{"srzoo.contract": contracts(*numbers)})
    assert REGISTRY.distribution("srzoo-prints").problem == upgrade
    with pytest.raises(BrokenPluginError) as caught:
        REGISTRY.resolve("decoder", "srzoo-prints:prints")
    assert upgrade in str(caught.value)
    with pytest.raises((BrokenPluginError, PartNotFoundError), match="srzoo-prints"):
        REGISTRY.resolve("decoder", "prints")
    assert "hostile_prints" not in sys.modules
    assert REGISTRY.resolve("decoder", "shuffle").ref.distribution == OWN


@pytest.mark.parametrize("numbers", [[], ["1"], ["1", "2"]])
def test_the_same_contract_is_welcome_and_silence_means_the_first(site: Path, numbers: list[str]) -> None:
    install(site, "prints", **({"srzoo.contract": contracts(*numbers)} if numbers else {}))
    found = REGISTRY.distribution("srzoo-prints")
    assert found.contracts == tuple(map(int, numbers or ["1"])) and not found.problem
    assert REGISTRY.resolve("decoder", "prints").ref.qualified == "srzoo-prints:prints"


# A process of its own.


def _good(task: list[int], tell: Tell) -> None:
    for each in task:
        tell(each + 1)


def _vanishing(task: int, tell: Tell) -> None:
    tell(task)
    os._exit(0)


def _crashing(task: int, tell: Tell) -> None:
    import ctypes

    print("noise", flush=True)
    ctypes.string_at(0)


def _hanging(task: str, tell: Tell) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    tell(child.pid)
    child.wait()


def test_what_a_process_told_is_kept_however_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The functions above, without the imports of this file.
    source = Path(__file__).read_text().partition("# A process of its own.\n")[2].partition("\ndef test_")[0]
    (tmp_path / "fake_tasks.py").write_text(f"import os, subprocess, sys\nfrom srzoo.apart import Tell\n{source}")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert apart("fake_tasks:_good", [1, 2], 30) == ((2, 3), "")
    assert apart("fake_tasks:_vanishing", 7, 30) == ((7,), "ended Python with status 0")
    assert apart("fake_tasks:_crashing", 7, 30) == ((), "ended Python by SIGSEGV")
    (child,), ending = apart("fake_tasks:_hanging", "", 2)
    assert ending == "took longer than 2 s"
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(child)], capture_output=True, text=True).stdout
    assert not listed.strip() or listed.startswith("Z")


# The command line.


def test_wrong_use_of_check_ends_with_one_line() -> None:
    for arguments, message in (
        (["srzoo-nothing"], "error: no installed distribution 'srzoo-nothing' offers parts"),
        (["decoder", "shufle"], "did you mean 'shuffle'?"),
        (["decoder", "shuffle", "--expect", "exports"], "error: --expect exports: write CHECK=REASON"),
        (["decoder", "shuffle", "--expect", "export=slow"], "(did you mean 'exports'?)"),
        (["srzoo", "--expect", "exports=slow"], "error: --expect is for one part"),
        (["decodr", "shuffle"], "(did you mean 'decoder'?)"),
    ):
        done = srzoo("check", *arguments, env={"SRZOO_PLUGINS": ""})
        assert done.returncode == 2 and message in done.stderr and done.stdout == ""
        assert len(done.stderr.splitlines()) == 1


def test_without_third_parties_there_is_nothing_to_check() -> None:
    done = srzoo("check", env={"SRZOO_PLUGINS": ""})
    assert (done.returncode, done.stdout) == (0, "no third-party distribution offers parts: try srzoo check srzoo\n")
    done = srzoo("check", "--json", env={"SRZOO_PLUGINS": ""})
    assert json.loads(done.stdout) == {"parts": [], "broken": [], "failed": 0}


def start(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``srzoo`` in a fresh process that finds what is installed in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "srzoo", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=site)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def everyone(site: Path) -> Path:
    """All of `MODULES`, one for another contract, and one whose metadata is not UTF-8."""
    for name in MODULES:
        install(site, name)
    write_metadata(site, "srzoo-later", "1.2", {"srzoo.decoders": {"later": "x:X"}, "srzoo.contract": contracts("2")})
    latin = write_metadata(site, "srzoo-latin", "1.2", {"srzoo.decoders": {"latin": "x:X"}})
    (latin / "METADATA").write_bytes(b"Metadata-Version: 2.1\nName: srzoo-latin\nVersion: 1.2\nAuthor: Ren\xe9\n")
    for name in ("srzoo-twin-a", "srzoo-twin-b"):
        write_metadata(site, name, "1.2", {"srzoo.decoders": {"twin": "hostile_prints:Part"}})
    return site


@pytest.mark.slow
def test_list_lives(everyone: Path) -> None:
    rows = json.loads(start(everyone, "list", "decoders", "--json").stdout)
    names = {row["name"] for row in rows}
    assert {*MODULES, "shuffle", "srzoo-twin-a:twin", "srzoo-twin-b:twin"} <= names and "later" not in names


@pytest.mark.slow
def test_plugins_names_every_culprit_that_importing_finds(everyone: Path) -> None:
    done = start(everyone, "plugins", "--timeout", "60", "--json")
    assert done.returncode == 0
    found = {entry["name"]: entry for entry in json.loads(done.stdout)}
    for name in MODULES:
        entry = found[f"srzoo-{name}"]
        (part,) = entry["parts"]["decoder"]
        assert (part["state"] == "broken") == (name in AT_IMPORT) and entry["contracts"] == [1]
        assert AT_IMPORT.get(name, "") in part["problem"]
    assert "pip install -U srzoo" in found["srzoo-later"]["problem"] and found["srzoo-later"]["contracts"] == [2]
    assert found["srzoo-later"]["parts"]["decoder"][0]["state"] == "not used"
    assert "UnicodeDecodeError" in next(each["problem"] for name, each in found.items() if "latin" in name)
    assert found["srzoo-twin-a"]["parts"]["decoder"][0]["state"] == "ok"


@pytest.mark.slow
def test_check_names_every_culprit_and_goes_on(everyone: Path) -> None:
    for name in ("raises", "lacks", "foreign", "fails-to-construct", "srzoo-twin-b"):  # others show the same
        next(everyone.glob(f"srzoo_{name.removeprefix('srzoo-').replace('-', '_')}-*/entry_points.txt")).unlink()
    done = start(everyone, "check", "--timeout", "90", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    parts = {part["name"].partition(":")[2]: part["checks"] for part in report["parts"]}
    first = {
        name: next(((each["check"], each["reason"]) for each in checks if each["state"] == "failed"), ("", ""))
        for name, checks in parts.items()
    }
    for name, (check, cause) in {
        "exits": ("imports", "SystemExit: 0"),
        "vanishes": ("imports", "ended Python with status 0"),
        "endless": ("imports", "took longer than 90 s"),
        "exits-in-construction": ("default_constructible", "SystemExit: 0"),
        "fails-in-forward": ("specs", "out of beans"),
        "exits-in-forward": ("specs", "SystemExit: 0"),
        "crashes-in-forward": ("specs", "ended Python by SIGSEGV"),
        "prints": ("prints", "when it is imported: hello"),
        "twin": ("prints", "when it is imported: hello"),
    }.items():
        assert first[name][0] == check and cause in first[name][1], first[name]
    assert {each["state"] for each in parts["crashes-in-forward"]} == {"passed", "failed", "not run"}
    assert any("srzoo-later" in line for line in report["broken"]) and report["failed"] >= 7
    assert "warning: srzoo-later 1.2: it was written for contract 2" in done.stderr


@pytest.mark.slow
def test_check_prints_a_table_and_how_many_checks_ran(site: Path) -> None:
    done = start(site, "check", "upscaler", "bicubic", "--expect", "prints=it is shy")
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and lines[0].split() == ["kind", "part", "check", "state", "reason"]
    assert lines[-1] == "1 part, 18 checks ran, 17 passed, 1 failed"
    assert "passes, but was expected to fail (it is shy): expect it no longer" in done.stdout
