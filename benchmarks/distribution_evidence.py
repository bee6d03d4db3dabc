"""Do the images that a model makes look like HR images, whichever they are? The distance of two distributions.

A distance of each image from its own HR charges for grain that is not exactly where HR has it. What a discriminator
trains, and what a latent is sampled for, is the distribution: so here all that EfficientNet-Lite0, which had no part in
any training, sees at every position of all images is compared with what it sees of all HR, by the Frechet distance of
two normal distributions, in shares of HR's total variance. Beside the prior's mean a sample is judged, and the mean
with white noise that has the samples' variance at each pixel.

Maps of strides 2 to 16 count. At stride 32 there are too few positions for as many channels: two halves of 100 HR
crops are further from each other there (0.45) than any model is from HR on the maps that count.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017 (the distance, of whole images).

    python benchmarks/distribution_evidence.py --data photos -o benchmarks/results/distribution.json
    python benchmarks/distribution_evidence.py --data photos --sets validation runs/mine/adversarial.safetensors
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor
from unseen import SAMPLED, SHIPPED, as_tensor, efficientnet_maps, evidence_options, judged_pairs, with_noise

import srzoo
from srzoo.data.pairs import ImagePair
from srzoo.files import write_atomically
from srzoo.model import SRModel

SAMPLES = 10
"""Of each image, for their variance; the first is the sample that is judged."""
COUNTED = 4
"""Maps that count, from the finest."""

Network = Callable[[Tensor], list[Tensor]]


class Moments:
    """Mean and covariance of the vectors at all positions of many images, for each of several maps."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._sums: list[tuple[int, Tensor, Tensor]] = []

    @torch.inference_mode()
    def add(self, image: Tensor) -> None:
        """Take in an image (1, 3, H, W) in [0, 1], rounded to 8 bits."""
        found = [each[0].flatten(1).double() for each in self._network((image * 255).round() / 255)[:COUNTED]]
        new = [(each.shape[1], each.sum(dim=1), each @ each.T) for each in found]
        old = self._sums or [(0, torch.zeros(()), torch.zeros(()))] * len(new)
        self._sums = [(n + m, a + b, c + d) for (n, a, c), (m, b, d) in zip(old, new, strict=True)]

    def by_map(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Mean (C) and covariance (C, C) of each map."""
        for count, total, products in self._sums:
            mean = total / count
            yield mean, products / count - torch.outer(mean, mean)


def frechet(shown: Moments, truth: Moments) -> list[float]:
    """Squared Frechet distance of normal distributions of these moments, in shares of the truth's variance, by map."""
    distances = []
    for (mean, covariance), (wanted, spread) in zip(shown.by_map(), truth.by_map(), strict=True):
        values, vectors = torch.linalg.eigh(spread)
        root = vectors * values.clamp_min(0).sqrt() @ vectors.T
        shared = torch.linalg.eigvalsh(root @ covariance @ root).clamp_min(0).sqrt().sum()
        distance = (mean - wanted).square().sum() + covariance.trace() + spread.trace() - 2 * shared
        distances.append(float(distance / spread.trace()))
    return distances


@torch.inference_mode()
def images(model: SRModel, lr: Tensor, seed: int, sampled: bool) -> Iterator[tuple[str, Tensor]]:
    """What is judged of a model by name, each (1, 3, H, W)."""
    mean = model.enlarge(lr).clamp(0, 1)
    yield "mean", mean
    if sampled:
        drawn = torch.stack([model.enlarge(lr, temperature=1.0, sample=each).clamp(0, 1) for each in range(SAMPLES)])
        yield "sample", drawn[0]
        yield "noise", with_noise(mean, drawn.std(dim=0), 1, seed)[0]


def judged(names: Sequence[str], pairs: Sequence[ImagePair], taps: Sequence[str], network: Network) -> Iterator[Any]:
    """One row for each model and kind of image."""
    colour = [pair for pair in pairs if pair.hr.ndim == 3]
    truth = Moments(network)
    for pair in colour:
        truth.add(as_tensor(pair.hr))
    for name in names:
        model = srzoo.load(name)
        assert isinstance(model, SRModel)
        kinds: dict[str, Moments] = {}
        for index, pair in enumerate(colour):
            for kind, image in images(model, as_tensor(pair.lr), index, name in SAMPLED):
                kinds.setdefault(kind, Moments(network)).add(image)
        for kind, moments in kinds.items():
            found = dict(zip(taps, frechet(moments, truth), strict=True))
            yield {"model": Path(name).stem, "kind": kind, **found, "mean": sum(found.values()) / len(found)}


@click.command()
@evidence_options
def main(
    data: Path, sets: str, most: int | None, efficientnet: Path | None, output: Path | None, models: tuple[str, ...]
) -> None:
    """Judge MODELS, or those that ship."""
    taps, network = efficientnet_maps(efficientnet)
    rows = []
    for name in sets.split(","):
        pairs = judged_pairs(data, name, most)
        for row in judged(models or SHIPPED, pairs, taps[:COUNTED], network):
            rows.append({"set": name, **row})
            click.echo("  ".join(f"{v:.4f}" if isinstance(v, float) else str(v) for v in rows[-1].values()), err=True)
    if output is not None:
        write_atomically(output, (json.dumps(rows, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
