"""``build``, and what ``show`` and ``list`` say of what there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import run


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (["encoder=resnet", "encoder.blocks=2"], {"name": "srzoo:resnet", "blocks": 2}),
        (["encoder.blocks=3"], {"name": "srzoo:strided", "blocks": 3}),
        (["pre-encoder=conv", "pre-encoder.norm=none"], {"name": "srzoo:conv", "norm": "none"}),
    ],
)
def test_settings_of_a_part_add_up(settings: list[str], part: dict[str, object], tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    done = run("build", *(word for text in settings for word in ("--set", text)), "-o", out)
    assert done.exit_code == 0, done.output
    kind = settings[0].partition("=")[0].partition(".")[0].replace("-", "_")
    built = json.loads(run("show", out, "--json").stdout)["config"][kind]
    assert part.items() <= built.items()


@pytest.mark.parametrize(
    ("given", "base"),
    [
        (["--base", "none"], "none"),
        (["--set", "base=none"], "none"),
        (["--set", "base=lanczos"], {"name": "srzoo:lanczos"}),
        (["--set", "base.name=nearest"], {"name": "srzoo:nearest"}),
    ],
)
def test_the_base_is_set_like_a_part(given: list[str], base: object, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    assert run("build", *given, "-o", out).exit_code == 0
    assert json.loads(run("show", out, "--json").stdout)["config"]["base"] == base
    done = run("build", "--set", "base.sharpness=1")
    assert done.exit_code == 2 and "upscaler srzoo:bicubic has no option 'sharpness'" in done.stderr


def test_an_option_of_what_has_none_is_refused() -> None:
    done = run("build", "--set", "scale=2", "--set", "scale.blocks=2")
    assert done.exit_code == 2
    assert "scale was given as 2" in done.stderr


def test_shipped_models_can_be_shown_by_name() -> None:
    done = run("show", "reference")
    assert done.exit_code == 0, done.output
    assert "CC BY-NC" in done.stdout and "srzoo:conditional" in done.stdout


def test_what_is_stated_for_a_size_that_is_too_small_is_refused() -> None:
    done = run("build", "--size", "1", "1")
    assert done.exit_code == 2 and "needs 8 HR pixels per side" in done.stderr


def test_only_parts_have_families() -> None:
    done = run("list", "models", "--family", "timm")
    assert done.exit_code == 2 and "models have no families" in done.stderr
