"""Does the latent carry information, and do its samples say more than noise would?

Scores of prior, posterior, a stranger's posterior, and the spread of samples. Then ten samples of each photo against
what the model makes of its latent's mean, with white noise that has the samples' variance at each pixel: diversity and
feature distance, both on maps of SqueezeNet that no loss looked at, and whether the spread tells where the error is.

    python benchmarks/latent_evidence.py reference
    python benchmarks/latent_evidence.py reference --data photos/val/DIV2Kvalid_256crop --most 24 --plot curve.png
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from unseen import Distances, as_tensor, by_squeezenet, with_noise

import srzoo
from srzoo.checkpoint import read_weights
from srzoo.data.pairs import ImagePair, pairs_from_folder, sample_pairs
from srzoo.metrics.calibration import calibration_curve, predicted_and_true_error, rank_correlation
from srzoo.metrics.diversity import diversity
from srzoo.metrics.psnr import lr_psnr
from srzoo.metrics.samples import luma_psnr
from srzoo.model import SRModel
from srzoo.train.latent import channel_nats
from srzoo.zoo import find_file

Pixels = NDArray[np.uint8]
Errors = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Predicted and true error of every pixel, in levels from 0 to 255."""

SIDE = 256
"""Every photo is cut to its middle of this many HR pixels, so that one's posterior fits another's LR."""


@dataclass(frozen=True)
class Evidence:
    """Means over the photos; PSNR on Y in dB."""

    model: str
    prior: float
    """Decoding the prior's mean: what the model does in use."""
    posterior: float
    """Decoding the mean of the posterior that saw this photo's HR."""
    stranger: float
    """Decoding the mean of the posterior that saw the next photo's HR."""
    kl: float
    """Nats per latent unit."""
    spread_textured: float
    """Standard deviation over samples at temperature 1, in grey levels of 255, in the most textured tenth of HR."""
    spread_flat: float
    """The same in the flattest half."""
    lr_psnr: float
    """Of the samples, in dB: 45 make them count."""
    diversity: float
    """Of the samples, in per cent."""
    noise_diversity: float
    """Of the mean with white noise."""
    features: float
    """Feature distance of a sample."""
    noise_features: float
    """Of the mean with white noise."""
    calibration: float
    """Rank correlation of predicted and true error over all pixels."""
    calibration_ratio: float
    """Root mean square of the predicted over that of the true error."""


def middles(pairs: list[ImagePair]) -> list[tuple[Tensor, Tensor]]:
    """LR and HR (1, 3, h, w) in [0, 1] of each photo's middle."""
    cut = []
    for pair in pairs:
        scale, side = pair.scale, SIDE // pair.scale
        if pair.hr.ndim == 2 or min(pair.lr.shape[:2]) < side:
            continue
        top, left = ((size - side) // 2 for size in pair.lr.shape[:2])
        lr = pair.lr[top : top + side, left : left + side]
        hr = pair.hr[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
        cut.append((as_tensor(lr), as_tensor(hr)))
    return cut


@torch.inference_mode()
def gather(
    name: str,
    model: SRModel,
    photos: list[tuple[Tensor, Tensor]],
    distances: Distances | None = None,
    samples: int = 10,
) -> tuple[Evidence, Errors]:
    """Measure one model; without distances, what is said of features stays NaN."""
    rows, errors = [], []
    for index, (lr, hr) in enumerate(photos):
        stranger = photos[(index + 1) % len(photos)][1]
        told = model(lr, hr)
        drawn = torch.stack([model.enlarge(lr, temperature=1.0, sample=each) for each in range(samples)])
        deviation = drawn.std(dim=0)
        spread = 255 * deviation.mean(dim=1)[0]
        texture = _texture(hr)
        truth = _pixels(hr)
        shown = [_pixels(each) for each in drawn]
        noisy = [_pixels(each) for each in with_noise(model.enlarge(lr), deviation, samples, index)]
        errors.append(predicted_and_true_error(shown, truth))
        rows.append(
            (
                luma_psnr(_pixels(model(lr).sr), truth, model.scale),
                luma_psnr(_pixels(told.sr), truth, model.scale),
                luma_psnr(_pixels(model(lr, stranger).sr), truth, model.scale),
                float(torch.stack(channel_nats(told.posterior, told.prior)).mean()),
                float(spread[texture >= texture.quantile(0.9)].mean()),
                float(spread[texture <= texture.quantile(0.5)].mean()),
                float(np.mean([lr_psnr(each, _pixels(lr)) for each in shown])),
                *(_on_features(distances, shown, noisy, truth) if distances else (float("nan"),) * 4),
            )
        )
    predicted, true = (np.concatenate([each[side].ravel() for each in errors]) for side in (0, 1))
    ratio = float(np.sqrt(np.square(predicted).mean() / np.square(true).mean()))
    means = (float(np.mean(column)) for column in zip(*rows, strict=True))
    return Evidence(name, *means, rank_correlation(predicted, true), ratio), (predicted, true)


def _on_features(
    distances: Distances, shown: list[Pixels], noisy: list[Pixels], truth: Pixels
) -> tuple[float, float, float, float]:
    """Diversity of samples and of noise, then the feature distance of each."""
    maps = [np.stack([distances.at_each_pixel(each, truth) for each in some]) for some in (shown, noisy)]
    of_samples, of_noise = maps
    return diversity(of_samples), diversity(of_noise), float(of_samples.mean()), float(of_noise.mean())


def _pixels(image: Tensor) -> Pixels:
    return np.rint(image.clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)


def _texture(hr: Tensor) -> Tensor:
    """Local standard deviation of luminance in 9x9 windows, (H, W)."""
    gray = hr.mean(dim=1, keepdim=True)
    pooled = (torch.nn.functional.avg_pool2d(each, 9, 1, 4, count_include_pad=False) for each in (gray, gray.square()))
    mean, square = pooled
    return (square - mean.square()).clamp_min(0).sqrt()[0, 0]


def plot(errors: dict[str, Errors], file: Path) -> None:
    """Draw calibration curves: true against predicted error, in twenty bins of equally many pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    largest = 0.0
    for name, (predicted, true) in errors.items():
        curve = calibration_curve(predicted, true, bins=20)
        axes.plot(curve.predicted, curve.true, marker="o", label=name)
        largest = max(largest, *curve.predicted, *curve.true)
    axes.plot([0, largest], [0, largest], color="gray", ls=":", label="calibrated")
    axes.set_xlabel("predicted error, grey levels (root mean square)")
    axes.set_ylabel("true error, grey levels (root mean square)")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=100)


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--data", help="Folder of photos.  [default: the embedded ones]")
@click.option("--most", type=click.IntRange(1), help="Photos to look at.  [default: all]")
@click.option("--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw calibration curves.")
@click.option("--json", "as_json", is_flag=True)
def main(models: tuple[str, ...], data: str | None, most: int | None, picture: Path | None, as_json: bool) -> None:
    """Print the evidence for MODELS that keep their posterior."""
    found, errors = [], {}
    for name in models:
        model = srzoo.load(name)
        file = find_file(name)
        if file is None or not any(key.startswith("latent.posterior") for key in read_weights(file)):
            raise click.ClickException(
                f"{name} keeps no posterior; reference does, and so does every model file that a training run leaves"
            )
        pairs = pairs_from_folder(data, model.scale) if data else sample_pairs(model.scale)
        evidence, errors[Path(name).stem] = gather(Path(name).stem, model, middles(list(pairs)[:most]), by_squeezenet())
        found.append(asdict(evidence))
    if picture is not None:
        plot(errors, picture)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for row in found:
        click.echo("  ".join(f"{key} {value:.3f}" if isinstance(value, float) else value for key, value in row.items()))


if __name__ == "__main__":
    main()
