"""How long PSNR and SSIM of one image take, here and in BasicSR, scikit-image and torchmetrics, in one run.

    python benchmarks/metric_speed.py [--basicsr FOLDER] [--threads 2] [--rounds 15]

One 576x720 photo and its bicubic x4 copy are compared on luma with a border of 4 pixels cropped, from uint8 RGB to both
numbers. The programs take turns, so that whatever else the machine does falls on all of them. Printed are the median
and the least time on the clock, the least time of the processor (of all threads together), and the ratios to srzoo's;
and the numbers themselves, since only equal work compares.

BasicSR is measured by its own code. Its package does not import beside a recent torchvision, but its metrics do: unpack
its source and name the folder that holds ``basicsr/``::

    pip download basicsr==1.4.2 --no-deps --no-binary :all: --no-build-isolation && tar xzf basicsr-1.4.2.tar.gz

A program that is not there is left out, and said so.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Pair = Callable[[Pixels, Pixels], tuple[float, float]]
"""(SR, HR) as uint8 (H, W, 3), to PSNR in dB and SSIM."""

SCALE = 4
WANTED = 5.0
"""How many times as fast as BasicSR srzoo must be."""


def photo() -> Pixels:
    """A photo of 576x720 pixels: two embedded ones, one beside the other."""
    from srzoo.data.pairs import sample_pairs

    photos = {pair.name: pair.hr for pair in sample_pairs(SCALE)}
    upper, lower = photos["astronaut"], photos["motorcycle_left"]
    image = np.zeros((576, 720, 3), np.uint8)
    image[:288, :512], image[:288, 512:] = upper[:288], upper[:288, :208]
    image[288:] = np.concatenate([lower, lower], axis=1)[:288, :720]
    return image


def ours() -> Pair:
    """srzoo, by the protocol ``classic``."""
    from srzoo.protocol import CLASSIC
    from srzoo.scoring.comparison import Comparison

    def both(sr: Pixels, hr: Pixels) -> tuple[float, float]:
        comparison = Comparison(sr, hr, hr, SCALE, CLASSIC)
        return comparison.measure("psnr_y"), comparison.measure("ssim_y")

    return both


def basicsr(folder: Path) -> Pair:
    """BasicSR's own functions, without what its packages import beside them."""
    for name in ("basicsr", "basicsr.metrics"):
        package = ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")))]
        sys.modules[name] = package
    from basicsr.metrics.psnr_ssim import calculate_psnr, calculate_ssim

    def both(sr: Pixels, hr: Pixels) -> tuple[float, float]:
        # It takes OpenCV's order of channels.
        images = sr[..., ::-1], hr[..., ::-1]
        rules = {"crop_border": SCALE, "test_y_channel": True}
        return calculate_psnr(*images, **rules), calculate_ssim(*images, **rules)

    return both


def skimage() -> Pair:
    """scikit-image's functions, set to the same rules."""
    from skimage.color import rgb2ycbcr
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    rules = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}

    def both(sr: Pixels, hr: Pixels) -> tuple[float, float]:
        first, second = (rgb2ycbcr(image)[SCALE:-SCALE, SCALE:-SCALE, 0] for image in (sr, hr))
        return peak_signal_noise_ratio(second, first, data_range=255), structural_similarity(second, first, **rules)

    return both


def torchmetrics() -> Pair:
    """torchmetrics' functions on luma in [0, 255]; its SSIM counts the mirrored border, too."""
    import torch
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    weights = torch.tensor([65.481, 128.553, 24.966]) / 255

    def both(sr: Pixels, hr: Pixels) -> tuple[float, float]:
        crops = (image[SCALE:-SCALE, SCALE:-SCALE] for image in (sr, hr))
        first, second = ((torch.from_numpy(crop).float() @ weights + 16)[None, None] for crop in crops)
        psnr = peak_signal_noise_ratio(first, second, data_range=255.0)
        return float(psnr), float(structural_similarity_index_measure(first, second, data_range=255.0))

    return both


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--basicsr", type=Path, help="folder that holds basicsr/")
    parser.add_argument("--threads", type=int, default=2, help="threads that each program may use")
    parser.add_argument("--rounds", type=int, default=15, help="times that each takes its turn")
    given = parser.parse_args()
    if "METRIC_SPEED" not in os.environ:  # numpy reads these only as it is imported
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(given.threads))
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **threads, "METRIC_SPEED": "1"})
    pairs: dict[str, Pair] = {"srzoo": ours()}
    starters = {"skimage": skimage, "torchmetrics": torchmetrics}
    if given.basicsr is not None:
        starters["basicsr"] = lambda: basicsr(given.basicsr)
    else:
        print("basicsr is left out: --basicsr names no folder")
    for name, start in starters.items():
        try:
            pairs[name] = start()
        except ImportError as error:
            print(f"{name} is left out: {error}")
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(given.threads)
    compare(pairs, given.rounds)


def compare(pairs: dict[str, Pair], rounds: int) -> None:
    """Let the programs take turns on one image, and print."""
    from srzoo.resize import imresize

    hr = photo()
    sr = imresize(imresize(hr, scale=1 / SCALE), scale=SCALE)
    scores = {name: both(sr, hr) for name, both in pairs.items()}
    clock: dict[str, list[float]] = {name: [] for name in pairs}
    processor: dict[str, list[float]] = {name: [] for name in pairs}
    for _ in range(rounds):
        for name, both in pairs.items():
            start, start_of_work = perf_counter(), process_time()
            both(sr, hr)
            clock[name].append(perf_counter() - start)
            processor[name].append(process_time() - start_of_work)
    print(f"{hr.shape[0]}x{hr.shape[1]}, {rounds} rounds")
    times = "".join(f"{title:>12}{'ratio':>7}" for title in ("median ms", "least ms", "cpu ms"))
    print(f"{'':14}{'PSNR':>10}{'SSIM':>10}{times}")
    measures = ((median, clock), (min, clock), (min, processor))
    for name, (psnr, ssim) in scores.items():
        own = [of(taken["srzoo"]) for of, taken in measures]
        its = [of(taken[name]) for of, taken in measures]
        times = "".join(f"{1000 * each:12.1f}{each / base:7.1f}" for each, base in zip(its, own, strict=True))
        print(f"{name:14}{psnr:10.4f}{ssim:10.6f}{times}")
    if "basicsr" in pairs:
        ratio = min(clock["basicsr"]) / min(clock["srzoo"])
        print(f"by the least times on the clock srzoo is {ratio:.1f} times as fast as basicsr; wanted: {WANTED:g}")


if __name__ == "__main__":
    main()
