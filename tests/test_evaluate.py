"""The scorer, through real photos, against published and golden numbers."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from scoring import Bicubic, Oracle

from srzoo.data.pairs import ImagePair, make_pair, pairs_from_folder, sample_pairs
from srzoo.errors import DataError, UsageError
from srzoo.protocol import get_protocol
from srzoo.resize import imresize
from srzoo.scoring import evaluate

DATA = os.environ.get("SRZOO_DATA")
needs_data = pytest.mark.skipif(
    DATA is None, reason="set SRZOO_DATA to a folder with test/Set5/X4/{HR,LR} and the like"
)


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
