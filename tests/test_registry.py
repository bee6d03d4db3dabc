"""Parts are found through metadata alone; a broken distribution breaks only itself."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from srzoo.errors import AmbiguousNameError, BrokenPluginError, PartNotFoundError, UsageError
from srzoo.registry import KINDS, REGISTRY, Registry, find_kind, probe

ROOT = Path(__file__).parent.parent

GOOD = '''
from typing import Annotated
from pydantic import Field
from srzoo.contracts import Upscaler

class Good(Upscaler):
    """Doubles every pixel."""
    def __init__(self, scale, *, variant: Annotated[str, Field(description="Which one.")] = "a"):
        super().__init__()
        self.scale = scale or 2
    def forward(self, lr):
        return lr

class Plain(Upscaler):
    def __init__(self, scale):
        super().__init__()
    def forward(self, lr):
        return lr

class Unfinished(Upscaler):
    def __init__(self, scale):
        super().__init__()

class Swallows(Plain):
    def __init__(self, scale, **options):
        super().__init__(scale)
'''

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a fake distribution: ``install("srzoo-a", "upscalers", ["x = module:Class"], module="source")``."""
    monkeypatch.delenv("SRZOO_PLUGINS", raising=False)

    def write(
        name: str, plural: str, lines: list[str], folder: str = "site", version: str = "1.0", **modules: str
    ) -> Path:
        site = tmp_path / folder
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("\n".join([f"[srzoo.{plural}]", *lines]) + "\n")
        for module, source in modules.items():
            (site / f"{module}.py").write_text(source)
            monkeypatch.delitem(sys.modules, module, raising=False)
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(str(site))
        return info

    return write


def names(kind: str) -> list[str]:
    return [ref.qualified for ref in Registry().parts(kind)]


def problems() -> dict[str, str]:
    return {found.name: found.problem for found in Registry().distributions() if found.problem}


def test_declared_parts_are_the_installed_ones() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    installed = {
        group: {entry.name: entry.value for entry in metadata.distribution("srzoo").entry_points.select(group=group)}
        for group in declared
    }
    assert installed == declared, "pyproject.toml changed: reinstall with `pip install --no-deps -e .`"
    assert set(declared) <= {kind.group for kind in KINDS.values()}


@pytest.mark.parametrize("ref", [ref for kind in KINDS for ref in REGISTRY.parts(kind) if ref.distribution == "srzoo"])
def test_own_parts_load_and_lie_where_their_metadata_says(ref) -> None:  # type: ignore[no-untyped-def]
    cls = ref.load()
    assert ref.source_file() == Path(sys.modules[cls.__module__].__file__ or "")
    assert (cls.__doc__ or "").partition("\n")[0].strip(), f"{ref.qualified} has no summary"


@pytest.mark.parametrize("text", ["pre_encoder", "pre-encoder", "pre_encoders", "Pre-Encoders"])
def test_kinds_are_found_in_every_spelling(text: str) -> None:
    assert find_kind(text) is KINDS["pre_encoder"]


def test_wrong_kinds_get_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"no kind 'decodr' \(did you mean 'decoder'\?\): kinds are pre_encoder"):
        find_kind("decodr")


def test_third_parties_are_listed_without_import_and_loaded_by_name(install: Install) -> None:
    install("srzoo-good", "upscalers", ["good = fake_good:Good", "bad = fake_bad:X"], fake_good=GOOD, fake_bad="1/0")
    assert names("upscalers")[-2:] == ["srzoo-good:bad", "srzoo-good:good"]
    assert "fake_good" not in sys.modules
    for name in ("good", "srzoo-good:good", "SRZOO_Good:good"):
        part = Registry().resolve("upscaler", name)
        assert (part.ref.qualified, part.ref.version, part.variant) == ("srzoo-good:good", "1.0", None)
    assert part.ref.load().__name__ == "Good" and "fake_bad" not in sys.modules


def test_refresh_sees_what_was_installed_since(install: Install) -> None:
    registry = Registry()
    before = registry.parts("upscaler")
    install("srzoo-good", "upscalers", ["good = fake_good:Good"], fake_good=GOOD)
    assert registry.parts("upscaler") == before
    registry.refresh()
    assert len(registry.parts("upscaler")) == len(before) + 1


def test_own_bare_names_win_and_other_clashes_are_errors(install: Install) -> None:
    install("srzoo-a", "upscalers", ["bicubic = fake_a:Good", "other = fake_a:Good"], fake_a=GOOD)
    install("srzoo-b", "upscalers", ["other = fake_b:Good"], fake_b=GOOD)
    registry = Registry()
    assert registry.resolve("upscaler", "bicubic").ref.distribution == "srzoo"
    assert registry.resolve("upscaler", "srzoo-a:bicubic").ref.distribution == "srzoo-a"
    with pytest.raises(AmbiguousNameError, match="write one of srzoo-a:other, srzoo-b:other"):
        registry.resolve("upscaler", "other")
    assert registry.resolve("upscaler", "srzoo-b:other").ref.value == "fake_b:Good"


def test_wrong_names_get_a_suggestion_and_the_next_command() -> None:
    registry = Registry()
    with pytest.raises(PartNotFoundError, match=r"no upscaler 'bicubik' \(did you mean 'bicubic'\?\).*list upscalers"):
        registry.resolve("upscaler", "bicubik")
    with pytest.raises(PartNotFoundError, match=r"srzoo offers no upscaler 'bicubik' \(did you mean 'bicubic'\?\)"):
        registry.resolve("upscaler", "srzoo:bicubik")
    with pytest.raises(PartNotFoundError, match="no installed distribution 'nowhere' offers parts"):
        registry.resolve("upscaler", "nowhere:bicubic")


def test_variants_belong_to_parts_with_that_option(install: Install) -> None:
    install("srzoo-f", "upscalers", ["family = fake_f:Good", "plain = fake_f:Plain"], fake_f=GOOD)
    registry = Registry()
    assert registry.resolve("upscaler", "family/some/path:1").variant == "some/path:1"
    assert registry.resolve("upscaler", "srzoo-f:family/b").variant == "b"
    with pytest.raises(PartNotFoundError, match="upscaler 'plain' has no variants: write plain without /b"):
        registry.resolve("upscaler", "plain/b")
    with pytest.raises(PartNotFoundError, match="names no variant: write family/VARIANT"):
        registry.resolve("upscaler", "family/")


@pytest.mark.parametrize(
    ("value", "source", "complaint"),
    [
        ("fake_broken:X", "import a_module_that_is_missing", "ModuleNotFoundError: No module named 'a_module_that"),
        ("fake_broken:X", "import sys; sys.exit(3)", "SystemExit: 3"),
        ("fake_broken:X", "class Panic(BaseException): ...\nraise Panic('two\\nlines')", "Panic: two lines"),
        ("fake_broken:X", "x = (", "SyntaxError"),
        ("fake_broken:X", "", "AttributeError"),
        ("fake_broken:X", "class X: ...", "is not a subclass of srzoo.contracts.Upscaler"),
        ("fake_broken:X", "X = 3", "is not a subclass of srzoo.contracts.Upscaler"),
        ("fake_broken:Unfinished", GOOD, "does not define forward"),
        ("fake_broken", "", "AttributeError"),
    ],
)
def test_a_broken_part_breaks_only_itself(install: Install, value: str, source: str, complaint: str) -> None:
    install("srzoo-broken", "upscalers", [f"broken = {value}"], fake_broken=source)
    registry = Registry()
    ref = registry.resolve("upscaler", "broken").ref
    with pytest.raises(BrokenPluginError) as caught:
        ref.load()
    message = str(caught.value)
    assert message.startswith("upscaler 'broken' of srzoo-broken 1.0 ") and complaint in message
    assert "\n" not in message and "srzoo plugins" in message
    assert registry.resolve("upscaler", "bicubic").ref.load()


def test_a_group_that_is_nearly_one_of_srzoo_s_is_told(install: Install) -> None:
    install("srzoo-singular", "upscaler", ["x = fake_t:Good"], fake_t=GOOD)
    assert "the entry-point group 'srzoo.upscaler' (did you mean 'srzoo.upscalers'?)" in problems()["srzoo-singular"]


def test_a_name_twice_is_an_error_of_that_distribution_only(install: Install) -> None:
    install("srzoo-twice", "upscalers", ["x = fake_t:Good", "x = fake_t:Plain"], fake_t=GOOD)
    install("srzoo-once", "upscalers", ["x = fake_t:Good"])
    assert "declares upscaler 'x' more than once" in problems()["srzoo-twice"]
    assert Registry().resolve("upscaler", "x").ref.distribution == "srzoo-once"
    with pytest.raises(BrokenPluginError, match="srzoo-twice:x cannot be used, it declares"):
        Registry().resolve("upscaler", "srzoo-twice:x")
    with pytest.raises(PartNotFoundError, match=r"srzoo-twice cannot be used: srzoo plugins"):
        Registry().resolve("upscaler", "nothing-like-it")


def test_names_that_nobody_could_type_are_refused(install: Install) -> None:
    install("srzoo-odd", "upscalers", ["a/b = fake_o:Good", "fine = fake_o:Good"], fake_o=GOOD)
    assert "cannot have ':' or '/', and it has a/b" in problems()["srzoo-odd"]
    with pytest.raises(BrokenPluginError, match=r"upscaler 'fine' of srzoo-odd 1.0 cannot be used, names of parts"):
        Registry().resolve("upscaler", "fine")


def test_the_same_distribution_twice_on_the_path_counts_once(install: Install) -> None:
    install("srzoo-same", "upscalers", ["x = fake_s:Plain"], folder="later", version="1.0", fake_s=GOOD)
    install("srzoo.same", "upscalers", ["x = fake_s:Good"], folder="earlier", version="2.0", fake_s=GOOD)
    assert [(ref.version, ref.value) for ref in Registry().parts("upscaler") if ref.name == "x"] == [
        ("2.0", "fake_s:Good")
    ]
    assert problems() == {}


@pytest.mark.parametrize("file", ["METADATA", "entry_points.txt"])
def test_unreadable_metadata_is_reported_and_harms_nobody(install: Install, file: str) -> None:
    info = install("srzoo-latin", "upscalers", ["x = fake_l:Good"], fake_l=GOOD)
    (info / file).write_bytes((info / file).read_bytes() + b"Author: Ren\xe9\n")
    ((name, problem),) = problems().items()
    assert name in ("srzoo-latin", "srzoo_latin") and "metadata cannot be read (UnicodeDecodeError" in problem
    assert "srzoo:bicubic" in names("upscaler") and not any(":x" in qualified for qualified in names("upscaler"))


def test_metadata_that_is_no_entry_point_table_is_reported(install: Install) -> None:
    install("srzoo-mess", "upscalers", ["this is no entry point"])
    assert "srzoo-mess" in problems()


def test_the_switch_turns_third_parties_off(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("srzoo-a", "upscalers", ["x = fake_a:Good"], fake_a=GOOD)
    install("srzoo-b", "upscalers", ["x = fake_b:Good"], fake_b=GOOD)
    own = [name for name in names("upscaler") if name.startswith("srzoo:")]
    monkeypatch.setenv("SRZOO_PLUGINS", "")
    assert names("upscaler") == own
    assert problems() == dict.fromkeys(["srzoo-a", "srzoo-b"], "switched off by SRZOO_PLUGINS")
    with pytest.raises(BrokenPluginError, match="switched off by SRZOO_PLUGINS"):
        Registry().resolve("upscaler", "srzoo-a:x")
    monkeypatch.setenv("SRZOO_PLUGINS", " Srzoo_B , srzoo-typo")
    assert names("upscaler") == [*own, "srzoo-b:x"]
    assert Registry().resolve("upscaler", "x").ref.distribution == "srzoo-b"
    assert "not installed or without parts" in problems()["srzoo-typo"]


def test_a_catalogue_lies_beside_the_module_and_is_read_without_import(install: Install) -> None:
    info = install("srzoo-cat", "upscalers", ["cat = fake_cat:Good"], fake_cat="raise SystemExit")
    file = info.parent / "fake_cat.catalogue.json"
    registry = Registry()
    ref = registry.resolve("upscaler", "cat").ref
    assert registry.catalogue(ref) == []
    entries = [{"variant": "a", "params": 3, "strides": [2, 4]}, {"variant": "b"}]
    file.write_text(json.dumps(entries))
    assert registry.catalogue(ref) == entries
    file.with_name("others.json").write_text(json.dumps([*entries, {"variant": "c", "strides": [8]}]))
    file.write_text(json.dumps({"of": "others.json", "without": "params"}))
    assert [entry["variant"] for entry in registry.catalogue(ref)] == ["b", "c"]
    for wrong in (
        '{"a": 1}',
        '{"of": "nowhere.json", "without": "a"}',
        '{"of": 3, "without": "a"}',
        "[{}]",
        "[",
        "[3]",
    ):
        file.write_text(wrong)
        with pytest.raises(BrokenPluginError, match="catalogue of srzoo-cat:cat"):
            registry.catalogue(ref)


@pytest.mark.parametrize("value", ["nowhere.at.all:X", "srzoo.nowhere:X", ".relative:X", ":X", "fake_ns.sub:X"])
def test_a_module_that_is_not_there_has_no_source(install: Install, value: str) -> None:
    install("srzoo-gone", "upscalers", [f"gone = {value}"])
    ref = Registry().resolve("upscaler", "gone").ref
    assert ref.source_file() is None and Registry().catalogue(ref) == []


def test_probe_finds_the_cause_in_a_process_of_its_own(install: Install) -> None:
    install(
        "srzoo-probe",
        "upscalers",
        ["good = fake_p:Good", "swallows = fake_p:Swallows", "dies = fake_dies:X", "hangs = fake_hangs:X"],
        fake_p="print('noise')\n" + GOOD,
        fake_dies="import os; print('hi', flush=True); os._exit(0)",
        fake_hangs="import time; time.sleep(60)",
    )
    refs = {ref.name: ref for ref in Registry().parts("upscaler") if ref.distribution == "srzoo-probe"}
    told = probe([refs[name] for name in ("good", "swallows", "dies", "good", "hangs", "good")], seconds=20)
    assert told[0] == told[3] == told[5] == "" and "Swallows takes **options" in told[1]
    assert "ended Python with status 0" in told[2] and "took longer than 20 s" in told[4]
