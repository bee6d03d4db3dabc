"""The scorer, through real photos, against published and golden numbers."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import srzoo

from srzoo.data.pairs import ImagePair, data_fingerprint, make_pair, pairs_from_folder, sample_pairs
from srzoo.errors import DataError, UsageError
from srzoo.images import Image, write_image
from srzoo.protocol import PROTOCOLS, get_protocol
from srzoo.resize import imresize
from srzoo.scoring import FinishedImages, evaluate, evaluate_alone, scale_of
from srzoo.scoring.finished import match_files

DATA = os.environ.get("SRZOO_DATA")
needs_data = pytest.mark.skipif(
    DATA is None, reason="set SRZOO_DATA to a folder with test/Set5/X4/{HR,LR} and the like"
)


class Bicubic:
    """A model that every published table lists."""

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def upscale(self, image: np.ndarray) -> np.ndarray:
        return imresize(image, scale=self.scale)


class Oracle:
    """Returns the HR images in order."""

    def __init__(self, pairs: list[ImagePair]) -> None:
        self.scale = pairs[0].scale
        self._images = iter([pair.hr for pair in pairs])

    def upscale(self, image: np.ndarray) -> np.ndarray:
        return next(self._images)


@pytest.fixture(scope="module")
def pairs() -> list[ImagePair]:
    return sample_pairs(4)


@pytest.fixture
def folder(tmp_path: Path, pairs: list[ImagePair]) -> Path:
    """HR/ and LR/ with two photos."""
    for name in ("HR", "LR"):
        (tmp_path / name).mkdir()
    for pair in pairs[:2]:
        write_image(tmp_path / "HR" / f"{pair.name}.png", pair.hr)
        write_image(tmp_path / "LR" / f"{pair.name}.png", pair.lr)
    return tmp_path


@needs_data
@pytest.mark.parametrize(
    ("name", "scale", "psnr_y", "ssim_y"),
    [
        ("Set5", 2, 33.674, 0.9303),
        ("Set5", 3, 30.405, 0.8689),
        ("Set5", 4, 28.430, 0.8111),
        pytest.param("Set14", 4, 25.997, 0.7029, marks=pytest.mark.slow),
        pytest.param("BSD100", 4, 25.962, 0.6681, marks=pytest.mark.slow),
    ],
)
def test_bicubic_scores_what_is_published(name: str, scale: int, psnr_y: float, ssim_y: float) -> None:
    assert DATA is not None
    mean = evaluate(Bicubic(scale), pairs_from_folder(Path(DATA, "test", name, f"X{scale}"), scale)).mean
    assert mean["psnr_y"] == pytest.approx(psnr_y, abs=0.002)
    assert mean["ssim_y"] == pytest.approx(ssim_y, abs=0.0002)


@needs_data
@pytest.mark.parametrize(
    ("name", "scale", "psnr_y", "ssim_y"),
    [
        ("Set5", 2, 33.66, 0.9299),
        ("Set5", 3, 30.39, 0.8682),
        ("Set5", 4, 28.42, 0.8104),
        pytest.param("Set14", 4, 26.00, 0.7027, marks=pytest.mark.slow),
        pytest.param("BSD100", 2, 29.56, 0.8431, marks=pytest.mark.slow),
        pytest.param("BSD100", 4, 25.96, 0.6675, marks=pytest.mark.slow),
    ],
)
def test_matlab_y_gives_the_published_rows_of_bicubic(name: str, scale: int, psnr_y: float, ssim_y: float) -> None:
    assert DATA is not None
    pairs = pairs_from_folder(Path(DATA, "test", name, f"X{scale}"), scale)
    mean = evaluate(Bicubic(scale), pairs, protocol=get_protocol("matlab-y")).mean
    assert mean["psnr_y"] == pytest.approx(psnr_y, abs=0.01)
    assert mean["ssim_y"] == pytest.approx(ssim_y, abs=0.001)


@pytest.mark.parametrize(
    ("protocol", "psnr", "ssim"),
    [
        ("matlab-y", 28.189248, 0.802481),
        ("basicsr-rgb", 26.485494, 0.776091),
        ("pyiqa", 26.880962, 0.785811),
        ("torchmetrics", 25.568980, 0.775943),
        ("skimage", 26.512285, 0.789860),
    ],
)
def test_every_protocol_on_the_sample_photos(protocol: str, psnr: float, ssim: float, pairs: list[ImagePair]) -> None:
    rules = get_protocol(protocol)
    mean = evaluate(Bicubic(4), pairs, protocol=rules).mean
    names = rules.own_metrics
    assert list(mean) == [*names, "seconds"]
    assert [mean[names[0]], mean[names[1]]] == pytest.approx([psnr, ssim], abs=2e-6)


@pytest.mark.parametrize(
    ("scale", "fingerprint", "psnr_y", "ssim_y", "lr_psnr"),
    [
        (2, "5ef63598dffe", 31.987807, 0.915326, 40.197150),
        (3, "c78266ebab20", 29.527657, 0.852255, 39.868996),
        (4, "a2af83952812", 28.190998, 0.803515, 39.262459),
    ],
)
def test_bicubic_on_the_sample_photos(
    scale: int, fingerprint: str, psnr_y: float, ssim_y: float, lr_psnr: float
) -> None:
    evaluation = evaluate(Bicubic(scale), sample_pairs(scale))
    assert evaluation.data == {"fingerprint": fingerprint, "images": 5, "scale": scale, "lr": "made"}
    mean = evaluation.mean
    assert [mean[key] for key in ("psnr_y", "ssim_y", "lr_psnr")] == pytest.approx([psnr_y, ssim_y, lr_psnr], abs=2e-6)


def test_gray_images_are_scored_as_they_are(pairs: list[ImagePair]) -> None:
    gray = make_pair("gray", pairs[1].hr[..., 0], 4)
    assert gray.lr.ndim == 2
    scores = evaluate(Bicubic(4), [gray]).images[0]
    direct, border = imresize(gray.lr, scale=4), slice(4, -4)
    error = np.mean(np.square(direct[border, border].astype(float) - gray.hr[border, border]))
    assert scores["psnr_y"] == pytest.approx(10 * math.log10(255**2 / error), abs=1e-9)
    colour = ImagePair("colour", np.dstack([gray.lr] * 3), np.dstack([gray.hr] * 3))
    # Luma squeezes 255 levels into 219: that alone lifts the score by 20 log10(255 / 219).
    lifted = evaluate(Bicubic(4), [colour]).images[0]["psnr_y"] - scores["psnr_y"]
    assert lifted == pytest.approx(20 * math.log10(255 / 219), abs=1e-6)


def test_a_perfect_model_is_infinitely_good_and_stays_strict_json(pairs: list[ImagePair]) -> None:
    evaluation = evaluate(Oracle(pairs[:2]), pairs[:2])
    assert (evaluation.mean["psnr_y"], evaluation.mean["lr_psnr"]) == (math.inf, math.inf)
    result = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert set(result) == {"protocol", "data", "mean", "set", "notes", "images"}
    assert float(result["mean"]["psnr_y"]) == math.inf
    assert result["protocol"] == {"name": "classic", "version": 1, "hash": evaluation.protocol.hash}
    assert [image["name"] for image in result["images"]] == ["astronaut", "chelsea"]


def test_progress_is_told_after_each_image(pairs: list[ImagePair]) -> None:
    heard: list[tuple[int, int, str]] = []
    evaluate(Bicubic(4), pairs[:2], progress=lambda *news: heard.append(news))
    assert heard == [(1, 2, "astronaut"), (2, 2, "chelsea")]


def test_the_fingerprint_depends_on_pixels_alone(pairs: list[ImagePair]) -> None:
    first, second = pairs[:2]
    renamed = ImagePair("other", first.lr, first.hr)
    assert data_fingerprint([first, second]) == data_fingerprint([second, renamed])
    changed = first.lr.copy()
    changed[0, 0, 0] ^= 1
    assert data_fingerprint([first, second]) != data_fingerprint([ImagePair("a", changed, first.hr), second])


def test_a_folder_of_pairs_and_a_folder_of_hr_agree(folder: Path, pairs: list[ImagePair]) -> None:
    expected = data_fingerprint(pairs[:2])
    assert data_fingerprint(pairs_from_folder(folder, 4)) == expected
    assert data_fingerprint(pairs_from_folder(folder / "HR", 4)) == expected
    for file in (folder / "LR").iterdir():
        file.rename(file.with_name(f"{file.stem}x4.png"))
    assert data_fingerprint(pairs_from_folder(folder, 4)) == expected


def test_hr_that_is_no_multiple_of_the_scale_is_cropped(folder: Path, pairs: list[ImagePair]) -> None:
    padded = np.pad(pairs[0].hr, ((0, 3), (0, 1), (0, 0)))
    write_image(folder / "HR" / "astronaut.png", padded)
    assert data_fingerprint(pairs_from_folder(folder, 4)) == data_fingerprint(pairs[:2])


def test_files_that_do_not_fit_are_named(folder: Path, pairs: list[ImagePair]) -> None:
    with pytest.raises(DataError, match=r"not x2: astronaut \(HR 512x512, LR 128x128\), chelsea"):
        pairs_from_folder(folder, 2)
    write_image(folder / "HR" / "extra.png", pairs[0].hr)
    with pytest.raises(DataError, match=r"without a partner .*extra\.png"):
        pairs_from_folder(folder, 4)
    write_image(folder / "LR" / "extra.png", pairs[0].lr[..., 0])
    with pytest.raises(DataError, match=r"extra: .* one is gray"):
        list(pairs_from_folder(folder, 4))
    write_image(folder / "LR" / "extra.png", Image(pairs[0].lr, alpha=pairs[0].lr[..., 0]))
    with pytest.raises(DataError, match="transparent"):
        list(pairs_from_folder(folder, 4))
    write_image(folder / "LR" / "extra.png", Image(pairs[0].lr / 255, depth=16))
    with pytest.raises(DataError, match="16 bits"):
        list(pairs_from_folder(folder, 4))
    write_image(folder / "LR" / "extra.jpg", pairs[0].lr)
    with pytest.raises(DataError, match="one name"):
        pairs_from_folder(folder, 4)
    with pytest.raises(DataError, match="does not exist"):
        pairs_from_folder(folder / "nowhere", 4)


def test_hr_alone_is_enough_and_lr_alone_is_not(folder: Path, pairs: list[ImagePair]) -> None:
    (folder / "LR").rename(folder / "other")
    assert [pair.name for pair in pairs_from_folder(folder, 4)] == [pair.name for pair in pairs[:2]]
    (folder / "HR").rename(folder / "LR")
    with pytest.raises(DataError, match="HR does not exist"):
        pairs_from_folder(folder, 4)


def test_two_lr_files_of_one_image_are_refused(folder: Path, pairs: list[ImagePair]) -> None:
    write_image(folder / "LR" / f"{pairs[0].name}x4.png", pairs[0].lr)
    (folder / "LR" / f"{pairs[0].name}.png").rename(folder / "LR" / f"{pairs[0].name}x4.jpg")
    with pytest.raises(DataError, match=r"one name|both LR of"):
        pairs_from_folder(folder, 4)


def test_a_model_of_another_scale_is_an_error(pairs: list[ImagePair]) -> None:
    with pytest.raises(DataError, match="astronaut: HR 512x512 and LR 128x128 make x4, but the model enlarges x2"):
        evaluate(Bicubic(2), pairs)


def test_images_that_cannot_be_scored_are_named(pairs: list[ImagePair]) -> None:
    with pytest.raises(DataError, match="no images"):
        evaluate(Bicubic(4), [])
    with pytest.raises(DataError, match="tiny: HR 16x16 is too small"):
        evaluate(Bicubic(4), [make_pair("tiny", pairs[0].hr[:16, :16], 4)])
    with pytest.raises(DataError, match="tiny: HR 3x3 is too small for x4"):
        make_pair("tiny", pairs[0].hr[:3, :3], 4)
    with pytest.raises(DataError, match="no multiple"):
        evaluate(Bicubic(4), [ImagePair("odd", pairs[0].lr, pairs[0].hr[:-1])])


def test_a_model_that_returns_something_else_is_an_error(pairs: list[ImagePair]) -> None:
    class Floats(Bicubic):
        def upscale(self, image: np.ndarray) -> np.ndarray:
            return super().upscale(image) / 255

    with pytest.raises(UsageError, match=r"uint8 array \(512, 512, 3\), got float64"):
        evaluate(Floats(4), pairs)


def test_sample_photos_are_found_without_importing_scikit_image() -> None:
    code = "import sys; from srzoo.data.pairs import sample_pairs; sample_pairs(4); print('skimage' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.fixture(scope="module")
def crops(pairs: list[ImagePair]) -> list[ImagePair]:
    """Three crops, the last of one channel."""
    cut = [make_pair(pair.name, pair.hr[100:196, 100:220], 4) for pair in pairs[:3]]
    return [*cut[:2], make_pair("gray", cut[2].hr[..., 0], 4)]


def colour(image: np.ndarray) -> np.ndarray:
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def both(pairs: list[ImagePair], protocol: str) -> list[float]:
    mean = evaluate(Bicubic(4), pairs, protocol=get_protocol(protocol)).mean
    return list(mean.values())[:2]


def test_skimage_prints_what_its_protocol_says(crops: list[ImagePair]) -> None:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    psnrs, ssims = [], []
    for pair in crops:
        sr = imresize(pair.lr, scale=4)
        psnrs.append(peak_signal_noise_ratio(pair.hr, sr))
        ssims.append(structural_similarity(pair.hr, sr, channel_axis=None if sr.ndim == 2 else 2))
    assert both(crops, "skimage") == pytest.approx([np.mean(psnrs), np.mean(ssims)], abs=1e-9)


@pytest.mark.slow
def test_torchmetrics_prints_what_its_protocol_says(crops: list[ImagePair]) -> None:
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("torchmetrics.image")
    measured = peer.PeakSignalNoiseRatio(data_range=1.0), peer.StructuralSimilarityIndexMeasure()
    for metric in measured:
        metric.set_dtype(torch.float64)
    for pair in crops:
        images = [colour(image) for image in (imresize(pair.lr, scale=4), pair.hr)]
        batch = [torch.tensor(image).permute(2, 0, 1)[None].double() / 255 for image in images]
        for metric in measured:
            metric.update(*batch)
    # Its logarithm of the base stays float32.
    assert both(crops, "torchmetrics") == pytest.approx([float(each.compute()) for each in measured], abs=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "names"), [("pyiqa", ("psnry", "ssim")), ("pyiqa,colour=rgb", ("psnr", "ssimc"))])
def test_pyiqa_prints_what_its_protocol_says(protocol: str, names: tuple[str, str], crops: list[ImagePair]) -> None:
    torch = pytest.importorskip("torch")
    pyiqa = pytest.importorskip("pyiqa")
    expected = []
    for name in names:
        metric = pyiqa.create_metric(name, device="cpu")
        values = []
        for pair in crops:
            images = [colour(image) for image in (imresize(pair.lr, scale=4), pair.hr)]
            values.append(float(metric(*(torch.tensor(each).permute(2, 0, 1)[None] / 255 for each in images))))
        expected.append(np.mean(values))
    # Its own arithmetic is float32, in which luma that ends in .5 is rounded either way.
    assert both(crops, protocol) == pytest.approx(expected, abs=2e-5)


def test_gray_through_luma_is_what_rgb_files_get(crops: list[ImagePair]) -> None:
    gray = crops[2]
    rgb = ImagePair("rgb", colour(gray.lr), colour(gray.hr))
    assert both([gray], "classic,gray=through-luma") == both([rgb], "classic")
    assert both([gray], "classic") != both([rgb], "classic")


def test_pooled_errors_are_those_of_one_large_image(crops: list[ImagePair]) -> None:
    colours = [pair for pair in crops if pair.hr.ndim == 3]
    joined = np.concatenate([(imresize(pair.lr, scale=4).astype(float) - pair.hr).ravel() for pair in colours])
    pooled = both(colours, "basicsr-rgb,border=0,aggregation=pooled")[0]
    assert pooled == pytest.approx(10 * math.log10(255**2 / np.mean(np.square(joined))), abs=1e-9)
    assert both(colours[:1], "classic,aggregation=pooled") == pytest.approx(both(colours[:1], "classic"), abs=1e-9)


def test_epsilon_caps_psnr(crops: list[ImagePair]) -> None:
    assert evaluate(Oracle(crops[:1]), crops[:1], protocol=PROTOCOLS["pyiqa"]).mean["psnr_y"] == pytest.approx(80)


def test_unrounded_output_is_fed_and_scored_as_floats(crops: list[ImagePair]) -> None:
    seen = []

    class Watched(Bicubic):
        def upscale(self, image: np.ndarray) -> np.ndarray:
            seen.append((image.dtype, image.shape, float(image.max())))
            return super().upscale(image)

    evaluate(Watched(4), crops, protocol=get_protocol("classic,sr_rounding=none"))
    evaluate(Watched(4), crops, protocol=get_protocol("matlab-y"))
    assert {each[0] for each in seen} == {np.dtype(np.float32)} and {each[1] for each in seen} == {(24, 30, 3)}
    assert all(each[2] <= 1 for each in seen[:3])
    with pytest.raises(UsageError, match="float array"):
        evaluate(Oracle(crops), crops, protocol=get_protocol("matlab-y"))


def test_metrics_are_chosen_by_name(crops: list[ImagePair]) -> None:
    chosen = evaluate(Bicubic(4), crops, metrics=["spectrum", "psnr_rgb", "psnr_y"])
    assert list(chosen.mean) == ["spectrum", "psnr_rgb", "psnr_y", "seconds"]
    usual = evaluate(Bicubic(4), crops).mean
    assert chosen.mean["psnr_y"] == usual["psnr_y"] and chosen.mean["spectrum"] > 0
    for names, message in (
        (["psnr"], r"no metric 'psnr' \(did you mean 'psnr_"),
        (["psnr_y", "psnr_y"], "named twice"),
        (["best_of_n"], "draw at least two, such as --samples 10"),
        ([], "no metric to measure"),
    ):
        with pytest.raises(UsageError, match=message):
            evaluate(Bicubic(4), crops, metrics=names)
    with pytest.raises(UsageError, match="luma alone"):
        evaluate(Bicubic(4), crops, metrics=["psnr_rgb"], protocol=get_protocol("matlab-y"))
    with pytest.raises(DataError, match="astronaut: niqe needs"):
        evaluate(Bicubic(4), crops, metrics=["niqe"])


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
