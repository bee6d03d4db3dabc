"""Small parts that keep their promises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from srzoo.contracts import (
    AdversarialLoss,
    Degradation,
    Gaussian,
    ImageLoss,
    Latent,
    LatentLoss,
    LatentOutput,
    PreEncoder,
    SamplesLoss,
)
from srzoo.dataset import About, Dataset, Picture, Record
from srzoo.images import Image
from srzoo.spec import Spec

Width = Annotated[int, Field(ge=1, description="channels")]


class Plain(PreEncoder):
    """One convolution."""

    def __init__(self, spec: Spec, *, width: Width = 4) -> None:
        super().__init__()
        self.out_spec = Spec(width, spec.stride)
        self.layer = nn.Conv2d(spec.channels, width, 3, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image)


class PlainLatent(Latent):
    """A latent with one level of noise and one loss."""

    def __init__(self, spec: Spec, target: Spec) -> None:
        super().__init__()
        self.out_spec = spec
        self.noise_specs = (spec,)
        self.layer = nn.Conv2d(spec.channels, spec.channels, 1)

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        mean = self.layer(features)
        z = mean + noise[0] if noise else mean
        return LatentOutput(z, (Gaussian(mean, torch.zeros_like(mean)),), losses=self.losses(mean))

    def losses(self, mean: Tensor) -> dict[str, Tensor]:
        return {"energy": mean.square().mean()}


class Fade(Degradation):
    """Paler by a share that is drawn."""

    def __init__(self, scale: int, *, least: Annotated[float, Field(description="smallest share")] = 0.5) -> None:
        self.least = least

    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        return image * draw.uniform(self.least, 1.0)


class Gray(Picture):
    """A gray image of 8x6 pixels."""

    size = (8, 6)

    def __call__(self) -> Image:
        return Image(np.full((8, 6, 3), 127, np.uint8))


ABOUT = About("Grays", "made up", "public domain", "", "nothing", ("nothing",), {})


class Grays(Dataset):
    """Two gray photos that need no folder."""

    about = ABOUT

    def __init__(self, root: Path) -> None:
        self.root = root

    def records(self, scale: int | None = None) -> list[Record]:
        return [Record(name, "memory", Gray()) for name in ("one", "two")]


class Absolute(ImageLoss):
    """Mean absolute error."""

    def __init__(self, scale: int) -> None:
        super().__init__()

    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        return (sr.float() - hr.float()).abs().mean()


class Differing(SamplesLoss):
    """Mean absolute error of both samples, less half of their difference."""

    def __init__(self, scale: int) -> None:
        super().__init__()

    def forward(self, first: Tensor, second: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        errors = [(sample.float() - hr.float()).abs().mean() for sample in (first, second)]
        return (errors[0] + errors[1] - (first.float() - second.float()).abs().mean()) / 2


class Wasserstein(AdversarialLoss):
    """Mean logits."""

    def __init__(self, scale: int) -> None:
        super().__init__()

    def generator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        return -torch.stack([each.float().mean() for each in fake]).mean()

    def discriminator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        return self.generator((), real) - self.generator((), fake)


class Apart(LatentLoss):
    """Squared distance of means."""

    def __init__(self, scale: int) -> None:
        super().__init__()

    def forward(self, prior: tuple[Gaussian, ...], posterior: tuple[Gaussian, ...], step: int) -> Tensor:
        moments = zip(sum(prior, ()), sum(posterior, ()), strict=True)
        return torch.stack([(a.float() - b.float()).square().mean() for a, b in moments]).mean()
