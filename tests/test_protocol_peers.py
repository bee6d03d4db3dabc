"""Each protocol scores as the program that it is named after, and each of its rules does what it says."""

import math

import numpy as np
import pytest
from scoring import Bicubic, Oracle, colour

from srzoo.data.pairs import ImagePair
from srzoo.errors import UsageError
from srzoo.protocol import PROTOCOLS, get_protocol
from srzoo.resize import imresize
from srzoo.scoring import evaluate


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
