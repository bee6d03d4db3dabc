"""The abstract base class of each kind of part, and what flows between parts.

Images are ``(N, C, H, W)`` float RGB in [0, 1]; a part that wants another range shifts inside.
Positional constructor arguments come from the core; keyword-only parameters are the part's options:
typed, described (``Annotated[int, Field(ge=1, description="...")]``) and all with defaults.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from srzoo.scale import Scale
from srzoo.spec import Spec


class Gaussian(NamedTuple):
    """A diagonal normal distribution over a latent map."""

    mean: Tensor
    """Mean, (N, C, H, W)."""

    log_variance: Tensor
    """Natural logarithm of the variance, (N, C, H, W)."""


class LatentOutput(NamedTuple):
    """What a latent hands on."""

    z: Tensor
    """What the decoder sees in place of the deepest features, (N, C, H, W)."""

    prior: tuple[Gaussian, ...] = ()
    """p(z | LR), one per noise map; empty for a deterministic latent."""

    posterior: tuple[Gaussian, ...] = ()
    """q(z | LR, HR), one per noise map; empty where HR was not given or is not used."""

    losses: Mapping[str, Tensor] = {}
    """Further scalar loss terms by name, such as a codebook's commitment."""


class Output(NamedTuple):
    """What an assembled model returns."""

    sr: Tensor
    """Super-resolved image, (N, 3, scale * H, scale * W), rounded down, not clamped."""

    prior: tuple[Gaussian, ...] = ()
    """See `LatentOutput.prior`."""

    posterior: tuple[Gaussian, ...] = ()
    """See `LatentOutput.posterior`."""

    losses: Mapping[str, Tensor] = {}
    """See `LatentOutput.losses`."""


class Part(nn.Module, ABC):
    """Anything that can be plugged into a model."""

    multiple_of: int = 1
    """Height and width at this part's own input must be whole multiples of this."""

    training_only: tuple[str, ...] = ()
    """Beginnings of the names of weights that only training looks at; model files leave these out."""

    without_gradient: tuple[str, ...] = ()
    """Beginnings of the names of parameters that are not learned by gradients, such as codebooks kept as averages."""


class PreEncoder(Part):
    """First features of the LR image. Constructor: ``(spec, *, options)``."""

    out_spec: Spec
    """What `forward` returns; any stride >= 1."""

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Map the LR image (N, 3, H, W) to (N, C, H / stride, W / stride), as `out_spec` has them."""


class Encoder(Part):
    """Features from fine to deep. Constructor: ``(spec, *, options)``."""

    out_specs: tuple[Spec, ...]
    """What `forward` returns, fine to deep; strides may repeat and need not be powers of two."""

    fixed_size: tuple[int, int] | None = None
    """The only input size (height, width in LR pixels) this encoder takes, or None for any."""

    @abstractmethod
    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Map pre-encoded features to one map per entry of `out_specs`.

        Maps are (N, C, H / stride, W / stride), channels and stride being their spec's, and H and W the padded LR
        image's.
        """


class Latent(Part):
    """A bottleneck on the deepest features. Constructor: ``(spec, target, *, options)``.

    ``spec`` describes the deepest features, ``target`` the HR image.
    """

    out_spec: Spec
    """What the decoder is handed."""

    noise_specs: tuple[Spec, ...] = ()
    """Shapes of the standard normal noise that `forward` takes; empty if deterministic."""

    @abstractmethod
    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> LatentOutput:
        """Encode ``features``, with the HR image where a posterior is wanted.

        Args:
            features: Deepest features, shaped by ``spec``.
            hr: HR image (N, 3, scale * H, scale * W) in training, None in use.
            noise: One map per entry of `noise_specs`, already scaled by the temperature; empty means the mean.
        """


class Decoder(Part):
    """From features and latent to the image. Constructor: ``(specs, target, *, options)``.

    ``specs`` lists the skips from fine to deep and the latent last; it is the latent alone without skips.
    """

    any_scale: bool = False
    """Whether it serves every ``target``, those of scales such as 5/2 too, and its weights do not depend on it.

    A model file with such a decoder can be used at any scale. Others are asked for whole scales only.
    """

    @abstractmethod
    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Fuse the maps it is handed into an image of exactly ``target``.

        Maps are as `Encoder.forward` returns them; the image is (N, 3, scale * H, scale * W), H and W being the padded
        LR image's.
        """


class Discriminator(Part):
    """Real or generated? Constructor: ``(spec, *, options)``, with the spec of the image."""

    min_size: int = 1
    """Smallest height and width, in HR pixels, that it can judge."""

    @abstractmethod
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map images (N, 3, H, W) to one or more maps of logits; positive means real."""


class Upscaler(Part):
    """A whole network that cannot be taken apart. Constructor: ``(scale, *, options)``.

    ``scale`` is None where the upscaler is to say its own; a disagreement is an error.
    """

    scale: Scale
    """Enlargement factor: a whole number, or a `Fraction` if one was asked for."""

    fixed_size: tuple[int, int] | None = None
    """The only input size (height, width in LR pixels) it takes, or None for any that `multiple_of` allows."""

    tile_multiple: int = 1
    """Tiles of a large image start at multiples of this many LR pixels, as strides and windows of the network do."""

    tile_halo: int = 32
    """LR pixels that a tile looks at beyond its own border; the receptive field's radius makes tiles exact."""

    engine: str = "torch"
    """What computes: PyTorch, or another library with its version, such as ``onnxruntime 1.27.0``."""

    @abstractmethod
    def forward(self, lr: Tensor) -> Tensor:
        """Enlarge (N, 3, H, W) to (N, 3, scale * H, scale * W), rounded down."""

    def count_parameters(self) -> int | None:
        """Number of parameters, None where it is not known; asked for only where `engine` is not PyTorch."""
        return None

    def count_macs(self, height: int, width: int) -> int | None:
        """Multiply-accumulates of `forward` for one LR image of that size; asked for likewise."""
        return None


class Degradation(ABC):
    """One step from HR towards LR. Constructor: ``(scale, *, options)``, with the shrinking factor of the whole chain.

    Steps form a chain in which exactly one shrinks.
    """

    shrinks: bool = False
    """Whether the step makes (N, C, scale * H, scale * W) into (N, C, H, W); other steps keep the size."""

    random: bool = True
    """Whether the result depends on ``draw``; what does not belongs to the photo, the same in every crop of it."""

    margin: int | None = 0
    """How many pixels of its input around a place its result there depends on.

    None means that it also depends on where the image begins, as JPEG's blocks do. For a random step, which no crop
    sees twice alike, it is enough that the border of a crop looks like the rest.
    """

    @abstractmethod
    def forward(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        """Degrade images.

        Args:
            image: (N, C, H, W), float in [0, 1], on any device.
            draw: The only source of chance; it runs on the CPU, so that every device sees the same. What it gives must
                not depend on the image's values, or else rounding on one device would shift all that follows.

        Returns:
            Float in [0, 1] on the same device.
        """


class Loss(nn.Module, ABC):
    """A term of what training minimises; extend `ImageLoss`, `SamplesLoss`, `AdversarialLoss` or `LatentLoss`.

    Constructor: ``(scale, *, options)``, with the enlargement factor. Networks inside have their weights when the
    constructor returns: where these are not at hand it raises, before the first step of a run.
    """

    min_size: int = 1
    """Smallest height and width, in HR pixels, that it can take."""


class ImageLoss(Loss):
    """How far a generated image is from what is wanted."""

    @abstractmethod
    def forward(self, sr: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """Compare images in [0, 1]; SR may leave that range.

        Args:
            sr: Generated image, (N, 3, scale * H, scale * W).
            hr: Wanted image, likewise.
            lr: What was given, (N, 3, H, W).

        Returns:
            A scalar >= 0, the mean over the images of a batch, so that equal shares of a batch can be averaged.
        """


class SamplesLoss(Loss):
    """How far two samples of one image are from what is wanted, and from each other.

    A stage with such a loss decodes each crop twice, with noise that is not the same; its other losses then are means
    over both.
    """

    @abstractmethod
    def forward(self, first: Tensor, second: Tensor, hr: Tensor, lr: Tensor) -> Tensor:
        """Compare images in [0, 1]; samples may leave that range.

        Args:
            first: Generated image, (N, 3, scale * H, scale * W).
            second: Generated from the same LR with other noise, likewise.
            hr: Wanted image, likewise.
            lr: What was given, (N, 3, H, W).

        Returns:
            A scalar >= 0, the same where the samples change places, and a mean over the images of a batch.
        """


class AdversarialLoss(Loss):
    """Both sides of the game between generator and discriminator, from the logits that `Discriminator` returns.

    Means over a batch that stand inside a nonlinearity are to be taken with `srzoo.layers.batch_mean`, which looks at
    the whole batch where several processes share it.
    """

    needs_real: bool = False
    """Whether `generator` looks at ``real``; otherwise it is handed an empty tuple."""

    @abstractmethod
    def generator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """What the generator minimises: a scalar, from logits of real images (without gradient) and of its own."""

    @abstractmethod
    def discriminator(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
        """What the discriminator minimises: a scalar."""

    def accuracy(self, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Share of the logits of real images, and of generated ones, that are on the right side: a scalar each.

        That is the right side of 0; a loss that holds logits against each other has its own.
        """
        return _share(each > 0 for each in real), _share(each < 0 for each in fake)


def _share(maps: Iterable[Tensor]) -> Tensor:
    """Mean over maps of the share of their places that are true."""
    return torch.stack([each.float().mean() for each in maps]).mean()


class LatentLoss(Loss):
    """What the posterior is charged for knowing more than the prior."""

    @abstractmethod
    def forward(self, prior: tuple[Gaussian, ...], posterior: tuple[Gaussian, ...], step: int) -> Tensor:
        """Compare q(z | LR, HR) with p(z | LR), one pair per noise map.

        Args:
            prior: p(z | LR).
            posterior: q(z | LR, HR).
            step: Steps done in the stage, for weights that change with time.

        Returns:
            A scalar in nats per latent unit; one unit is one value of a latent map.
        """

    def steady(self, step: int) -> bool:
        """Whether `forward` does from this step on what it does at this step, so that a GPU can repeat it by itself.

        Args:
            step: Steps done in the stage.
        """
        return False
