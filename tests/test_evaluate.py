"""The scorer, through real photos, against published and golden numbers."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from srzoo.data.pairs import ImagePair, data_fingerprint, make_pair, pairs_from_folder, sample_pairs
from srzoo.errors import DataError, ImageError, UsageError
from srzoo.images import Image, write_image
from srzoo.resize import imresize
from srzoo.scoring import evaluate

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
    assert evaluation.data == {"fingerprint": fingerprint, "images": 5, "scale": scale}
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
    assert set(result) == {"protocol", "data", "mean", "images"}
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
        pairs_from_folder(folder, 4)
    write_image(folder / "LR" / "extra.png", Image(pairs[0].lr, alpha=pairs[0].lr[..., 0]))
    with pytest.raises(DataError, match="transparent"):
        pairs_from_folder(folder, 4)
    write_image(folder / "LR" / "extra.png", Image(pairs[0].lr / 255, depth=16))
    with pytest.raises(DataError, match="16 bits"):
        pairs_from_folder(folder, 4)
    write_image(folder / "LR" / "extra.jpg", pairs[0].lr)
    with pytest.raises(DataError, match="one name"):
        pairs_from_folder(folder, 4)
    with pytest.raises(ImageError, match="does not exist"):
        pairs_from_folder(folder / "nowhere", 4)


def test_hr_alone_is_enough_and_lr_alone_is_not(folder: Path, pairs: list[ImagePair]) -> None:
    (folder / "LR").rename(folder / "other")
    assert [pair.name for pair in pairs_from_folder(folder, 4)] == [pair.name for pair in pairs[:2]]
    (folder / "HR").rename(folder / "LR")
    with pytest.raises(ImageError, match="HR does not exist"):
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
