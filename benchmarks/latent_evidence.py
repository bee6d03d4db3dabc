"""Does the latent carry information? Scores of prior, posterior, a stranger's posterior, and the spread of samples.

python benchmarks/latent_evidence.py reference
python benchmarks/latent_evidence.py reference --data photos/val/DIV2Kvalid_256crop --json
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import click
import numpy as np
import torch
from torch import Tensor

import srzoo
from srzoo.checkpoint import read_weights
from srzoo.data.pairs import ImagePair, pairs_from_folder, sample_pairs
from srzoo.metrics.luma import luma
from srzoo.metrics.psnr import psnr
from srzoo.model import SRModel
from srzoo.zoo import find_file

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
        cut.append((_tensor(lr), _tensor(hr)))
    return cut


def _tensor(pixels: np.ndarray) -> Tensor:  # type: ignore[type-arg]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def _score(sr: Tensor, hr: Tensor, border: int) -> float:
    one, other = (
        luma(np.rint(each.clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)) for each in (sr, hr)
    )
    return float(psnr(one[border:-border, border:-border], other[border:-border, border:-border]))


@torch.inference_mode()
def gather(name: str, model: SRModel, photos: list[tuple[Tensor, Tensor]], samples: int = 8) -> Evidence:
    """Measure one model."""
    from srzoo.train.losses import kl_divergence

    rows = []
    for index, (lr, hr) in enumerate(photos):
        stranger = photos[(index + 1) % len(photos)][1]
        told = model(lr, hr)
        drawn = torch.stack([model.enlarge(lr, temperature=1.0, sample=each) for each in range(samples)])
        spread = 255 * drawn.std(dim=0).mean(dim=1)[0]
        texture = _texture(hr)
        rows.append(
            (
                _score(model(lr).sr, hr, model.scale),
                _score(told.sr, hr, model.scale),
                _score(model(lr, stranger).sr, hr, model.scale),
                float(kl_divergence(told.posterior, told.prior)),
                float(spread[texture >= texture.quantile(0.9)].mean()),
                float(spread[texture <= texture.quantile(0.5)].mean()),
            )
        )
    return Evidence(name, *(float(np.mean(column)) for column in zip(*rows, strict=True)))


def _texture(hr: Tensor) -> Tensor:
    """Local standard deviation of luminance in 9x9 windows, (H, W)."""
    gray = hr.mean(dim=1, keepdim=True)
    pooled = (torch.nn.functional.avg_pool2d(each, 9, 1, 4, count_include_pad=False) for each in (gray, gray.square()))
    mean, square = pooled
    return (square - mean.square()).clamp_min(0).sqrt()[0, 0]


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--data", help="Folder of photos.  [default: the embedded ones]")
@click.option("--json", "as_json", is_flag=True)
def main(models: tuple[str, ...], data: str | None, as_json: bool) -> None:
    """Print the evidence for MODELS that keep their posterior."""
    found = []
    for name in models:
        model = srzoo.load(name)
        file = find_file(name)
        if file is None or not any(key.startswith("latent.posterior") for key in read_weights(file)):
            raise click.ClickException(
                f"{name} keeps no posterior; reference does, and so does every model file that a training run leaves"
            )
        pairs = pairs_from_folder(data, model.scale) if data else sample_pairs(model.scale)
        found.append(asdict(gather(name, model, middles(pairs))))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for row in found:
        click.echo("  ".join(f"{key} {value:.3f}" if isinstance(value, float) else value for key, value in row.items()))


if __name__ == "__main__":
    main()
