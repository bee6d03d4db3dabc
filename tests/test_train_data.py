"""Runs on data sets of every kind, as a recipe names them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trees
from command import srzoo
from PIL import Image
from safetensors.torch import load_file

from srzoo.checkpoint import read_header
from srzoo.config import PartConfig
from srzoo.data.reference import open_dataset
from srzoo.data.smaller import SmallerPhotos
from srzoo.images import rgb
from srzoo.resize import imresize
from srzoo.train.data import open_crops, open_sets
from srzoo.train.recipe import Recipe, load_recipe

RECIPE = """
precision = "float32"
save_every = 1

[model]
scale = 4
pre_encoder = { name = "conv", widths = [4] }
encoder = { name = "strided", widths = [4], blocks = 0 }
latent = "identity"
decoder = { name = "shuffle", widths = [4, 4], blocks = 0, fine_width = 4 }

[data]
train = ["photos"]
validation = "validation"
crop = 8
batch = 2

[[stages]]
name = "only"
steps = 2
posterior_share = 0
prior = { l1 = 1.0 }
"""


# Recipes


def test_what_came_later_counts_in_the_hash_only_where_it_is_used() -> None:
    def hashed(**data: Any) -> str:
        return load_recipe("reference", {"data": data}).hash()

    plain = load_recipe("reference").hash()
    assert plain == hashed(degradation="bicubic") == hashed(lr="made") == hashed(degradation=[{"name": "bicubic"}])
    others = [
        hashed(lr="given"),
        hashed(degradation="blur-down"),
        hashed(degradation=["blur", "bicubic"]),
        hashed(degradation={"name": "bicubic", "edge": "clamp"}),
        hashed(batch=5),
        hashed(sizes=[0.5]),
    ]
    assert len({plain, *others}) == 7


def test_a_chain_is_written_as_tables_or_as_a_name() -> None:
    table = {"name": "jpeg", "quality": [30, 60]}
    for written in (["bicubic", table], [{"name": "bicubic"}, table]):
        recipe = load_recipe("reference", {"data": {"degradation": written}})
        assert recipe.data.degradation == (PartConfig(name="bicubic"), PartConfig.model_validate(table))
        assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


# The command line


def train(base: Path, *more: object, recipe: str = RECIPE) -> Any:
    (base / "recipe.toml").write_text(recipe)
    arguments = ("train", base / "recipe.toml", "--data", base, "--output", base / "run", "--threads", 1, *more)
    return srzoo(*arguments)


def ledger(base: Path) -> list[dict[str, str]]:
    with (base / "run" / "ledger.csv").open() as file:
        return list(csv.DictReader(file))


def finished(done: Any, base: Path, count: int) -> None:
    assert done.returncode == 0, done.stderr
    assert read_header(base / "run" / "only.safetensors")["training"]["photos"]["count"] == count
    assert [0 <= float(row["data_seconds"]) < 60 for row in ledger(base)] == [True, True]


def test_cifar10_is_trained_on_by_crops_of_eight(tmp_path: Path) -> None:
    trees.cifar10(tmp_path)
    names = {"photos": "cifar10", "validation": "cifar10,split=test"}
    recipe = RECIPE.replace('"photos"', '"cifar10"').replace('"validation"', f'"{names["validation"]}"')
    finished(train(tmp_path, recipe=recipe), tmp_path, 20)


def test_photos_are_taken_at_other_sizes_as_well(base: Path) -> None:
    (base / "photos" / "broken.png").write_bytes(b"no image")
    done = train(base, "--set", "data.sizes=[0.5, 0.2]")
    finished(done, base, 5)
    assert "1 of 6 photos were not used" in done.stderr and done.stderr.count("broken.png") == 2
    recipe = load_recipe(str(base / "recipe.toml"), {"data": {"sizes": [0.5, 0.2]}})
    photos = open_crops(recipe, open_sets(recipe, base), 4, 1 << 30, lambda *told: None).photos
    assert len(photos) == 10 and photos.sizes[5:].max() <= photos.sizes[:5].max() / 2 and photos.count == 5
    refused = train(base, "--set", "data.sizes=[0.5]", "--set", "data.lr=given")
    assert refused.returncode == 2 and "no LR for photos of other sizes" in refused.stderr
    assert "greater" in train(base, "--set", "data.sizes=[0]").stderr


def test_a_smaller_copy_is_the_photo_with_fewer_pixels(base: Path) -> None:
    (base / "deep").mkdir()
    steps = np.zeros((40, 60), np.uint16)
    steps[:, 30:] = 65535
    Image.fromarray(steps).save(base / "deep" / "steps.png")
    for folder in ("photos", "deep"):
        dataset = open_dataset(folder, base)
        whole, small = dataset.records()[0], SmallerPhotos(dataset, 0.7).records()[0]
        pixels = small.hr().pixels
        assert small.hr.size == pixels.shape[:2] == tuple(round(0.7 * side) for side in whole.hr.size)
        assert small.name == f"{whole.name}@0.7" and pixels.dtype == np.uint8
        expected = imresize(rgb(whole.hr().pixels), size=small.hr.size)
        assert np.abs(pixels.astype(int) - expected)[4:-4, 4:-4].max() <= 2
    assert pixels.min() == 0 and pixels.max() == 255


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tree", "train_on", "validate_by", "count"),
    [
        (trees.celeba, "celeba", "celeba,split=valid", 4),
        (trees.celeba, "celeba,crop=96", "celeba,split=test", 4),
        (trees.imagenet, "imagenet", "imagenet,split=val", 4),
        (trees.div2k, "div2k", "div2k,split=valid", 4),
    ],
)
@pytest.mark.parametrize("more", [(), ("--memory", 0), ("--set", "data.degradation=real-esrgan")])
def test_a_true_layout_is_trained_on(
    tree: Any, train_on: str, validate_by: str, count: int, more: tuple[object, ...], tmp_path: Path
) -> None:
    root = tree(tmp_path / tree.__name__)
    names = {"celeba": "CelebA", "imagenet": "ImageNet", "div2k": "DIV2K"}
    root.rename(tmp_path / names[tree.__name__])
    recipe = RECIPE.replace('"photos"', f'"{train_on}"').replace('"validation"', f'"{validate_by}"')
    finished(train(tmp_path, *more, recipe=recipe), tmp_path, count)


@pytest.mark.slow
def test_div2k_s_own_lr_is_trained_on(tmp_path: Path) -> None:
    trees.div2k(tmp_path / "DIV2K")
    recipe = RECIPE.replace('"photos"', '"div2k"').replace('"validation"', '"div2k,split=valid"')
    finished(train(tmp_path, "--set", "data.lr=given", recipe=recipe), tmp_path, 4)
    assert read_header(tmp_path / "run" / "only.safetensors")["training"]["lr"] == "given"
    (tmp_path / "hr-only").mkdir()
    Image.fromarray(np.zeros((48, 48, 3), np.uint8)).save(tmp_path / "hr-only" / "0.png")
    given = ("--set", "data.lr=given", "--set", "data.validation=hr-only", "-o", tmp_path / "refused")
    refused = train(tmp_path, *given, recipe=recipe)
    assert refused.returncode == 1 and "without LR for x4 to validate on" in refused.stderr


def test_a_run_goes_on_without_bad_photos_and_says_at_its_end_which(base: Path) -> None:
    (base / "photos" / "zero.png").write_bytes(b"")
    (base / "photos" / "cut.png").write_bytes((base / "photos" / "0.png").read_bytes()[:9000])
    done = train(base, "--json", "--memory", 0, "--set", "data.batch=16")
    finished(done, base, 5)
    assert {Path(line.split()[0]).name for line in json.loads(done.stdout)["unused"]} == {"zero.png", "cut.png"}
    assert done.stderr.splitlines()[-1].startswith("warning: 2 of 7 photos were not used")
    assert len((base / "run" / "unused-photos.txt").read_text().splitlines()) == 2


def test_where_no_photo_is_usable_nothing_is_trained(base: Path) -> None:
    for file in (base / "photos").iterdir():
        file.write_bytes(file.read_bytes()[:9000])
    for memory in (4, 0):
        refused = train(base, "--memory", memory)
        assert refused.returncode == 1 and "Traceback" not in refused.stderr
        errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and "photo" in errors[0]
        assert {file.name.split("-")[0] for file in (base / "run").glob("*.safetensors")} <= {"checkpoint"}


def test_a_bad_validation_image_is_refused_before_the_first_step(base: Path) -> None:
    file = base / "validation" / "0.png"
    file.write_bytes(file.read_bytes()[:9000])
    refused = train(base)
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert refused.returncode == 1 and len(errors) == 1 and "0.png" in errors[0]
    assert not (base / "run").exists()


def test_a_validation_image_too_small_to_score_is_refused_before_the_first_step(base: Path) -> None:
    Image.new("RGB", (16, 16)).save(base / "validation" / "tiny.png")
    refused = train(base)
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert refused.returncode == 1 and len(errors) == 1 and "tiny: HR 16x16 is too small to be scored" in errors[0]
    assert not (base / "run").exists()


def test_a_blind_run_is_the_same_however_it_is_fed(base: Path) -> None:
    recipe = RECIPE.replace("batch = 2", 'batch = 2\ndegradation = "real-esrgan"')
    results = []
    for more in (("--workers", 0), ("--workers", 2, "--memory", 0)):
        finished(train(base, *more, recipe=recipe), base, 5)
        results.append((load_file(base / "run" / "only.safetensors"), ledger(base)))
        (base / "run").rename(base / f"run-{len(results)}")
    assert all(torch.equal(results[0][0][name], value) for name, value in results[1][0].items())
    for one, other in zip(results[0][1], results[1][1], strict=True):
        assert one["prior.l1"] == other["prior.l1"] and one["val_psnr_y"] == other["val_psnr_y"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('"photos"', '"photoz"'), "photoz"),
        (('"photos"', '""'), "data.train.0"),
        (("batch = 2", 'batch = 2\ndegradation = ["noise", "jpeg"]'), "none of noise, jpeg"),
        (("batch = 2", 'batch = 2\ndegradation = "bicubik"'), "did you mean 'bicubic'"),
        (("batch = 2", 'batch = 2\ndegradation = { name = "jpeg", quality = 3 }'), "quality"),
        (("batch = 2", 'batch = 2\nlr = "given"'), "without LR"),
        (("batch = 2", 'batch = 2\nlr = "given"\ndegradation = "blur-down"'), "remove degradation"),
    ],
)
def test_wrong_data_are_refused_in_one_line(change: tuple[str, str], says: str, base: Path) -> None:
    assert change[0] in RECIPE
    refused = train(base, recipe=RECIPE.replace(*change))
    assert refused.returncode in (1, 2)
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and says in errors[0], refused.stderr
    assert "Traceback" not in refused.stderr and not (base / "run").exists()


def test_all_data_sets_that_are_missing_are_named_at_once(base: Path) -> None:
    (base / "recipe.toml").write_text(RECIPE.replace('["photos"]', '["photos", "train/one", "train/two"]'))
    refused = srzoo("train", base / "recipe.toml", "--data", base, "-o", base / "run")
    assert refused.returncode == 1 and refused.stderr.startswith("error: there is no folder")
    assert (
        "one: check the path" in refused.stderr
        and "; nor can be opened: train/two. Photos of your own are named by --set data.train" in refused.stderr
    )
