"""Images that another program made, and images without HR, are scored; and ``srzoo eval`` in full."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import srzoo
from scoring import Bicubic, colour

from srzoo.data.pairs import ImagePair, pairs_from_folder
from srzoo.errors import DataError, UsageError
from srzoo.images import write_image
from srzoo.protocol import PROTOCOLS
from srzoo.resize import imresize
from srzoo.scoring import FinishedImages, evaluate, evaluate_alone, scale_of
from srzoo.scoring.finished import match_files


@pytest.fixture
def finished(tmp_path: Path, crops: list[ImagePair]) -> Path:
    """HR/, LR/ and SR/ by another program, whose gray image is in colour."""
    for name in ("HR", "LR", "SR"):
        (tmp_path / name).mkdir()
    for pair in crops:
        write_image(tmp_path / "HR" / f"{pair.name}.png", pair.hr)
        write_image(tmp_path / "LR" / f"{pair.name}.png", pair.lr)
        write_image(tmp_path / "SR" / f"{pair.name}_x4_SwinIR.png", imresize(colour(pair.lr), scale=4))
    return tmp_path


def test_finished_images_score_as_the_model_that_made_them(finished: Path) -> None:
    pairs = pairs_from_folder(finished, 4)
    assert scale_of(finished) == scale_of(pairs) == 4
    for protocol in PROTOCOLS.values():
        if protocol.degradation == "matlab-bicubic":
            made = evaluate(Bicubic(4), pairs, protocol=protocol).mean
            there = evaluate(FinishedImages(finished / "SR", 4), pairs, protocol=protocol).mean
            assert there == {name: value for name, value in made.items() if name != "seconds"}


@pytest.mark.parametrize(
    ("hr", "sr"),
    [
        ("baby", "baby"),
        ("baby", "babyx4"),
        ("baby", "baby_SR"),
        ("baby", "babySR"),
        ("baby", "baby x4 SwinIR"),
        ("baby_HR", "baby_x4_SwinIR"),
        ("img_001_SRF_4_HR", "img_001_SRF_4_SRGAN"),
        ("set/img_001", "img_001-out"),
    ],
)
def test_names_of_finished_images_may_say_more(hr: str, sr: str) -> None:
    file = Path(f"{sr}.png")
    assert match_files(Path("SR"), [file], [hr]) == {hr: file}


def test_the_longest_name_wins_and_numbers_are_not_cut() -> None:
    files = [Path("img_1_x4.png"), Path("img_10_x4.png"), Path("img_1_b_x4.png")]
    matched = match_files(Path("SR"), files, ["img_1", "img_10", "img_1_b"])
    assert [matched[name] for name in ("img_1", "img_10", "img_1_b")] == files
    message = r"SR: no image for img_1; more than one image for a \(ax4.png, a_SR.png\); no HR for img_10.png, apex.png"
    with pytest.raises(DataError, match=message):
        match_files(Path("SR"), [Path(f"{name}.png") for name in ("ax4", "a_SR", "img_10", "apex")], ["a", "img_1"])


def test_finished_images_that_do_not_fit_are_named(finished: Path, crops: list[ImagePair]) -> None:
    pairs = pairs_from_folder(finished, 4)
    file = finished / "SR" / "chelsea_x4_SwinIR.png"
    write_image(file, pairs[1].hr[:-1])
    with pytest.raises(DataError, match=r"chelsea_x4_SwinIR\.png has 120x95 pixels, but HR of chelsea 120x96"):
        evaluate(FinishedImages(finished / "SR", 4), pairs)
    write_image(file, pairs[1].hr[..., 0])
    with pytest.raises(DataError, match="is gray, but HR of chelsea is in colour"):
        evaluate(FinishedImages(finished / "SR", 4), pairs)
    with pytest.raises(UsageError, match="give --scale"):
        scale_of(finished / "HR")


def test_images_without_hr_are_scored_alone(tmp_path: Path, pairs: list[ImagePair]) -> None:
    write_image(tmp_path / "a.png", pairs[0].hr[:192, :192])
    write_image(tmp_path / "b.png", pairs[1].hr[:192, :192, 0])
    result = evaluate_alone(tmp_path, metrics=["niqe"])
    assert result.protocol is None and [image["name"] for image in result.images] == ["a.png", "b.png"]
    assert result.mean["niqe"] == pytest.approx(np.mean([image["niqe"] for image in result.images]))
    with pytest.raises(UsageError, match="psnr_y compares with HR: give --data; without HR there is niqe"):
        evaluate_alone(tmp_path, metrics=["psnr_y"])
    with pytest.raises(UsageError, match="or --metrics niqe, which needs none"):
        evaluate_alone(tmp_path, metrics=None)


# The command


def test_the_command_scores_finished_images(finished: Path) -> None:
    done = srzoo("eval", "SR", "--data", ".", "--csv", "scores.csv", "--json", cwd=finished)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["model"], result["trained"], result["settings"]) == ("SR", None, {})
    assert result["data"]["scale"] == 4 and set(result["mean"]) == {"psnr_y", "ssim_y", "lr_psnr"}
    assert (finished / "scores.csv").read_text().startswith("name,psnr_y,ssim_y,lr_psnr\nastronaut,")
    shown = srzoo("eval", "SR", "--data", ".", "--protocol", "skimage", cwd=finished)
    assert shown.stdout.splitlines()[1].split() == ["image", "psnr_rgb", "ssim_rgb", "lr_psnr"]
    for words, message in (
        (["--data", "HR"], "give --scale"),
        (["--data", ".", "--seed", "1"], "leave out --temperature, --seed and --samples"),
        ([], "give --data, or --metrics niqe"),
        (["--data", ".", "--protocol", "clasic"], "did you mean 'classic'"),
    ):
        refused = srzoo("eval", "SR", *words, cwd=finished)
        assert refused.returncode == 2 and message in refused.stderr and len(refused.stderr.splitlines()) == 1


def test_the_command_draws_samples(finished: Path) -> None:
    metrics = "psnr_y,best_of_n,mean_of_samples,diversity_mse"
    words = (
        "eval",
        "reference",
        "--data",
        ".",
        "--metrics",
        metrics,
        "--temperature",
        0.8,
        "--json",
        "--device",
        "cpu",
    )
    done = srzoo(*words, "--samples", 3, cwd=finished)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["settings"] == {"temperature": 0.8, "seed": 0, "samples": 3}
    for image in result["images"]:
        assert image["best_of_n"] >= image["psnr_y"] and image["diversity_mse"] > 0
    single = json.loads(srzoo("eval", "reference", "--data", ".", *words[6:], cwd=finished).stdout)
    assert [image["psnr_y"] for image in single["images"]] == [image["psnr_y"] for image in result["images"]]
    flat = srzoo("eval", "reference", "--data", ".", "--samples", 3, cwd=finished)
    assert flat.returncode == 2 and "a temperature above 0, such as 0.8" in flat.stderr


def test_the_command_lists_the_metrics() -> None:
    listed = srzoo("eval", "--list-metrics")
    assert listed.returncode == 0 and listed.stdout.split()[:5] == ["metric", "unit", "better", "of", "what"]
    assert {"psnr_y", "lr_psnr", "niqe", "diversity"} <= {line.split()[0] for line in listed.stdout.splitlines()}
