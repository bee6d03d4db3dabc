"""A plugin is an ordinary distribution: install it and its parts are there; uninstall it and only they are gone.

The fast part lays the plugins' metadata and sources on ``sys.path``. The slow part builds wheels, installs them with
pip into an environment of its own, and goes through the command line.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from environment import WAVELET, Environment, lay_down
from PIL import Image

from srzoo.assembly import build_model
from srzoo.checkpoint import load_model, save_model
from srzoo.config import preset
from srzoo.errors import AmbiguousNameError, BrokenPluginError, MissingDistributionError
from srzoo.registry import REGISTRY

BROKEN = "raise RuntimeError('no such accelerator')\n"
"""A module that cannot be imported."""

COPY = '''
from srzoo.contracts import Encoder
from srzoo.spec import Spec

class Copy(Encoder):
    """Hands the features on, and takes a name that is taken."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.out_specs = (spec,)

    def forward(self, features):
        return (features,)
'''

PROJECTS = {
    "srzoo-broken": ("curvelet", BROKEN),
    "srzoo-claims-own": ("strided", COPY),
    "srzoo-claims-other": ("wavelet", COPY),
}
"""Other plugins: their name, the encoder that they declare, and their module."""


def project(name: str, folder: Path) -> Path:
    """Write one of `PROJECTS` as a project that can be built."""
    part, source = PROJECTS[name]
    module = name.replace("-", "_")
    root = folder / name
    (root / module).mkdir(parents=True)
    (root / module / "__init__.py").write_text(source)
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        f'[project]\nname = "{name}"\nversion = "1.2"\n'
        f'[project.entry-points."srzoo.encoders"]\n{part} = "{module}:Copy"\n'
    )
    return root


@pytest.fixture
def three(site: Path, tmp_path: Path) -> Path:
    """A folder on ``sys.path`` with the wavelet plugin, the broken one, and the one that claims srzoo's name."""
    for source in (WAVELET, project("srzoo-broken", tmp_path), project("srzoo-claims-own", tmp_path)):
        lay_down(source, site)
    REGISTRY.refresh()
    return site


SMALL_WAVELET = {"encoder": {"name": "wavelet", "widths": [12, 16], "blocks": 1}}


def test_a_plugins_encoder_is_trained_like_any_other(three: Path) -> None:
    model = build_model(preset("reference", SMALL_WAVELET))
    out = model(torch.rand(1, 3, 21, 9), hr=torch.rand(1, 3, 84, 36), noise=model.noise(21, 9))
    assert out.sr.shape == (1, 3, 84, 36)
    (out.sr.square().mean() + sum(each.mean.square().mean() for each in out.posterior)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.encoder.parameters())
    assert model.config["encoder"]["name"] == "srzoo-wavelet:wavelet"


def test_a_model_names_the_plugin_that_it_needs(three: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = build_model(preset("reference", SMALL_WAVELET)).eval()
    save_model(model, path)
    lr = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(load_model(path)(lr).sr, model(lr).sr)
    sys.path.remove(str(three))
    REGISTRY.refresh()
    with pytest.raises(MissingDistributionError, match=r"srzoo-wavelet 0.1.0.*pip install srzoo-wavelet$"):
        load_model(path)


def test_the_broken_and_the_clashing_break_only_themselves(three: Path, tmp_path: Path) -> None:
    with pytest.raises(BrokenPluginError, match=r"'curvelet' of srzoo-broken.*no such accelerator"):
        build_model(preset("reference", {"encoder": {"name": "curvelet"}}), device="meta")
    assert build_model(preset("reference"), device="meta").config["encoder"]["name"] == "srzoo:strided"
    claimed = build_model(preset("reference", {"encoder": {"name": "srzoo-claims-own:strided"}}), device="meta")
    assert type(claimed.encoder).__name__ == "Copy"
    lay_down(project("srzoo-claims-other", tmp_path), three)
    REGISTRY.refresh()
    with pytest.raises(AmbiguousNameError, match="srzoo-claims-other:wavelet, srzoo-wavelet:wavelet"):
        build_model(preset("reference", {"encoder": {"name": "wavelet"}}), device="meta")
    chosen = build_model(preset("reference", {"encoder": {"name": "srzoo-wavelet:wavelet"}}), device="meta")
    assert type(chosen.encoder).__name__ == "WaveletEncoder"


def test_the_wavelet_plugin_is_short_and_needs_only_what_is_public() -> None:
    source = (WAVELET / "srzoo_wavelet" / "encoder.py").read_text()
    assert len(source.splitlines()) < 80
    imported = {
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or "."] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert {name for name in imported if name.startswith("srzoo.components")} == set()
    assert {name.partition(".")[0] for name in imported} <= {"typing", "torch", "pydantic", "srzoo"}


# Through pip and the command line.


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("plugins"))
    made.add(WAVELET)
    for name in ("srzoo-broken", "srzoo-claims-own"):
        made.add(project(name, made.folder))
    rng = np.random.default_rng(0)
    for name in ("photos", "test"):
        (made.folder / name).mkdir()
        for index in range(2):
            pixels = rng.integers(0, 255, (80, 96, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(made.folder / name / f"{index}.png")
    return made


@pytest.fixture(scope="module")
def built(environment: Environment) -> Path:
    path = environment.folder / "m.safetensors"
    environment.run("build", "--encoder", "wavelet", "--set", "encoder.blocks=1", "-o", path)
    return path


@pytest.mark.slow
def test_an_installed_plugin_is_listed_and_shown(environment: Environment) -> None:
    rows = json.loads(environment.run("list", "encoders", "--json"))
    assert ("wavelet", "srzoo-wavelet") in {(row["name"], row["distribution"]) for row in rows}
    assert ("strided", "srzoo") in {(row["name"], row["distribution"]) for row in rows}
    assert ("srzoo-claims-own:strided", "srzoo-claims-own") in {(row["name"], row["distribution"]) for row in rows}
    shown = json.loads(environment.run("show", "encoder", "wavelet", "--json"))
    assert shown["qualified"] == "srzoo-wavelet:wavelet" and shown["distribution"] == "srzoo-wavelet 0.1.0"
    assert {option["name"] for option in shown["options"]} == {"widths", "blocks"}


@pytest.mark.slow
def test_a_plugins_model_is_built_and_benchmarked(environment: Environment, built: Path) -> None:
    shown = json.loads(environment.run("show", built, "--json"))
    assert shown["config"]["encoder"] == {"name": "srzoo-wavelet:wavelet", "widths": [48], "blocks": 1}
    assert shown["distributions"]["srzoo-wavelet"] == "0.1.0"
    report = environment.run("bench", built, "--data", environment.folder / "test", "--json")
    rows: list[dict[str, Any]] = json.loads(report)["rows"]
    assert len(rows) == 1 and rows[0]["psnr_y"] > 0


@pytest.mark.slow
def test_a_plugins_model_is_trained(environment: Environment) -> None:
    recipe = environment.folder / "recipe.toml"
    recipe.write_text(
        'preset = "reference"\nprecision = "float32"\nvalidate_every = 2\n'
        '[model.encoder]\nname = "wavelet"\nblocks = 0\n'
        '[data]\ntrain = ["photos"]\nvalidation = "photos"\ncrop = 8\nbatch = 2\n'
        '[[stages]]\nname = "fidelity"\nsteps = 2\nwarm_up = 0\n'
        "prior = { l1 = 1.0 }\nposterior = { l1 = 1.0, kl = 0.01 }\n"
    )
    run = environment.folder / "run"
    environment.run("train", recipe, "--data", environment.folder, "--output", run)
    shown = json.loads(environment.run("show", run / "fidelity.safetensors", "--json"))
    assert shown["trained"] is True and shown["config"]["encoder"]["name"] == "srzoo-wavelet:wavelet"


@pytest.mark.slow
def test_the_causes_of_what_is_broken_are_told(environment: Environment) -> None:
    found = {entry["name"]: entry for entry in json.loads(environment.run("plugins", "--json"))}
    states = {
        name: [(part["name"], part["state"]) for parts in entry["parts"].values() for part in parts]
        for name, entry in found.items()
    }
    assert states["srzoo-wavelet"] == [("wavelet", "ok")]
    assert states["srzoo-claims-own"] == [("strided", "ok")]
    assert states["srzoo-broken"] == [("curvelet", "broken")]
    assert "no such accelerator" in found["srzoo-broken"]["parts"]["encoder"][0]["problem"]
    message = environment.run("build", "--encoder", "curvelet", status=1)
    assert "srzoo-broken" in message and "no such accelerator" in message and message.count("\n") == 1
    parts = {row["kind"]: row["part"] for row in json.loads(environment.run("build", "--json"))["parts"]}
    assert parts["encoder"] == "srzoo:strided"


@pytest.mark.slow
def test_two_plugins_with_one_name_are_told_apart(environment: Environment) -> None:
    environment.add(project("srzoo-claims-other", environment.folder))
    try:
        message = environment.run("build", "--encoder", "wavelet", status=2)
        assert "srzoo-claims-other:wavelet, srzoo-wavelet:wavelet" in message and message.count("\n") == 1
        environment.run("build", "--encoder", "srzoo-wavelet:wavelet")
    finally:
        environment.pip("uninstall", "-y", "srzoo-claims-other")
    environment.run("show", "encoder", "wavelet")


@pytest.mark.slow
def test_without_the_plugin_its_model_names_it(environment: Environment, built: Path) -> None:
    environment.pip("uninstall", "-y", "srzoo-wavelet")
    try:
        photo = environment.folder / "test" / "0.png"
        message = environment.run("upscale", photo, environment.folder / "sr.png", "--model", built, status=1)
        assert "srzoo-wavelet 0.1.0; pip install srzoo-wavelet" in message and message.count("\n") == 1
        names = {row["name"] for row in json.loads(environment.run("list", "encoders", "--json"))}
        assert "wavelet" not in names and "strided" in names
    finally:
        environment.add(WAVELET)
