"""An assembled network: one pad, the parts in their order, one crop, the residual base."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import chain
from math import inf, lcm
from operator import index
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.contracts import Decoder, Encoder, Latent, Output, PreEncoder, Upscaler
from srzoo.errors import ImageError, UsageError
from srzoo.noise import position_noise
from srzoo.pixels import Picture, from_tensor, to_tensor
from srzoo.scale import Scale, denominator, exact_scale, scaled_size
from srzoo.seams import blaming, check_image, check_latent, check_maps
from srzoo.spec import Spec
from srzoo.tiling import blended, fitted, tiled

Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all)."""


class Model(nn.Module):
    """What every network in the zoo can do, whether assembled from parts or whole."""

    scale: Scale
    """Enlargement factor: a whole number, or a `Fraction` such as 5/2."""

    config: dict[str, Any]
    """How it was built: parts by qualified name, every option written out."""

    trained: bool = False
    """False for a network that carries its initial weights."""

    tile_multiple: int = 1
    """Tiles start at multiples of this many LR pixels."""

    tile_halo: int = 32
    """LR pixels that a tile looks at beyond its own border."""

    engine: str = "torch"
    """What computes; see `srzoo.contracts.Upscaler.engine`."""

    @property
    def cuts_itself(self) -> bool:
        """Whether `enlarge` never puts more than one size through the network at once, so that tiles have no say."""
        return False

    @property
    def draws_samples(self) -> bool:
        """Whether a temperature above 0 changes what it makes."""
        return False

    @property
    def network(self) -> Model:
        """What holds the weights: the model, or the one that it puts to use in another way."""
        return self

    @property
    def device(self) -> torch.device | None:
        """Where it computes; None where it has nothing of its own and computes where the image is."""
        first = next(chain(self.parameters(), self.buffers()), None)
        return None if first is None else first.device

    @abstractmethod
    def enlarge(
        self, lr: Tensor, *, temperature: float = 0.0, seed: int = 0, sample: int = 0, origin: tuple[int, int] = (0, 0)
    ) -> Tensor:
        """Enlarge (N, 3, H, W) to (N, 3, scale * H, scale * W), rounded down, clamped to [0, 1].

        Args:
            lr: LR image in [0, 1].
            temperature: Standard deviation of the noise handed to the latent; 0 takes the latent's mean.
            seed: Seed of the noise.
            sample: Number of the sample.
            origin: Row and column, in LR pixels, of ``lr`` in the image that it is a tile of.
        """

    def upscale(
        self,
        image: Picture,
        *,
        temperature: float = 0.0,
        seed: int = 0,
        sample: int = 0,
        tile: int = 0,
        progress: Progress | None = None,
    ) -> Picture:
        """Enlarge an image and give back the type that was given.

        Args:
            image: Tensor (3, H, W) or (N, 3, H, W) in [0, 1]; array (H, W) or (H, W, 3), uint8, uint16 or float in
                [0, 1]; or a PIL image, whose alpha, colour profile and EXIF are kept.
            temperature: Standard deviation of the latent's noise; 0 takes its mean.
            seed: Seed of the noise.
            sample: Number of the sample.
            tile: Largest side, in LR pixels, that is put through the network at once; 0 takes the whole image. A whole
                network of one size cuts the image to that size, whatever is said here.
            progress: Called with (tiles done, tiles in all).

        Returns:
            The image, ``scale`` times as high and wide, rounded down, clamped to its range.

        Raises:
            UsageError: The temperature or the tile is below 0, or the model has no weights.
            ImageError: The image is none of these, a float image reaches far beyond [0, 1], or the model makes values
                that are not finite.
        """
        seed, sample = index(seed), index(sample)
        if not 0 <= temperature < inf:
            raise UsageError(f"a temperature is 0 or above, and finite, not {temperature}")
        if tile < 0:
            raise UsageError(f"a tile has a side of 0 pixels, which means the whole image, or more, not {tile}")
        if self.device is not None and self.device.type == "meta":
            raise UsageError("a model on the meta device has no weights: build it on another to use it")
        batch, layout = to_tensor(image, self.device)
        tile = 0 if self.cuts_itself else tile

        def step(part: Tensor, origin: tuple[int, int]) -> Tensor:
            return self.enlarge(part, temperature=temperature, seed=seed, sample=sample, origin=origin)

        before = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            with torch.no_grad():  # not inference mode, whose tensors are of no use in a loss
                enlarged = tiled(step, batch, self.scale, tile, self.tile_multiple, self.tile_halo, progress)
        finally:
            for module, training in before:
                module.training = training
        if not enlarged.isfinite().all():
            raise ImageError(
                "the model made values that are not finite numbers: it is damaged, or the temperature too high"
            )
        return from_tensor(enlarged, layout)


class WholeModel(Model):
    """An upscaler that cannot be taken apart, behind the same door as an assembled model."""

    def __init__(self, upscaler: Upscaler, config: dict[str, Any]) -> None:
        super().__init__()
        self.upscaler = upscaler
        self.scale = upscaler.scale
        self.config = config
        self._name = config.get("upscaler", {}).get("name", type(upscaler).__name__)
        self.trained = True
        self.tile_multiple = lcm(upscaler.tile_multiple, upscaler.multiple_of, denominator(upscaler.scale))
        self.tile_halo = upscaler.tile_halo
        self.engine = upscaler.engine

    @property
    def cuts_itself(self) -> bool:
        """See `Model.cuts_itself`."""
        return self.upscaler.fixed_size is not None

    def forward(self, lr: Tensor) -> Output:
        """(N, 3, H, W) to an image (N, 3, scale * H, scale * W), rounded down, not clamped."""
        with blaming("upscaler", self._name):
            sr = _fitted(self.upscaler, lr)
        check_image("upscaler", self._name, sr, (len(lr), 3, *scaled_size(lr.shape[-2:], self.scale)))
        return Output(sr)

    def enlarge(
        self, lr: Tensor, *, temperature: float = 0.0, seed: int = 0, sample: int = 0, origin: tuple[int, int] = (0, 0)
    ) -> Tensor:
        """See `Model.enlarge`; there is no latent to be handed noise."""
        return self.forward(lr).sr.clamp(0, 1)


def _fitted(upscaler: Upscaler, lr: Tensor) -> Tensor:
    """(N, 3, H, W) enlarged, whatever sizes the upscaler takes."""
    return fitted(upscaler, lr, upscaler.scale, upscaler.multiple_of, upscaler.fixed_size)


class SRModel(Model):
    """Pre-encoder, encoder, latent and decoder as one network.

    ::

        LR (N,3,H,W)
          | pad once (replicate) to `multiple`
        pre-encoder -- f0 ----------------.
        encoder ------ f1 ... f(k-1) -----|  skips
        latent ------- z (HR posterior)   |
        decoder <-------------------------'
          | crop once, + base(LR)
        SR (N,3,sH,sW)

    An encoder that takes one size only is handed overlapping tiles of that size, and what it makes of them is blended
    (see `srzoo.tiling.blended`); the other stages see the whole image.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        pre_encoder: PreEncoder,
        encoder: Encoder,
        latent: Latent,
        decoder: Decoder,
        base: Upscaler | None,
        multiple: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.scale = exact_scale(config["scale"])
        self.skips = bool(config["skips"])
        self.pre_encoder = pre_encoder
        self.encoder = encoder
        self.latent = latent
        self.decoder = decoder
        self.base = base
        self.multiple = multiple
        self.tile_multiple = multiple
        self.tile_halo = max(self.tile_halo, 16 * int(latent.out_spec.stride))

    @property
    def draws_samples(self) -> bool:
        """See `Model.draws_samples`."""
        return bool(self.noise_specs)

    @property
    def noise_specs(self) -> tuple[Spec, ...]:
        """Shapes of the noise maps that `forward` takes, at the padded size."""
        return self.latent.noise_specs

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Size in LR pixels after the one padding."""
        return -(-height // self.multiple) * self.multiple, -(-width // self.multiple) * self.multiple

    def forward(self, lr: Tensor, hr: Tensor | None = None, noise: Sequence[Tensor] = ()) -> Output:
        """Enlarge ``lr``.

        Args:
            lr: (N, 3, H, W) in [0, 1], any H, W >= 1.
            hr: (N, 3, scale * H, scale * W), rounded down, where the latent is to use its posterior.
            noise: One standard normal map per entry of `noise_specs`; empty for the latent's mean.
        """
        n, size = len(lr), self.padded_size(*lr.shape[-2:])
        (height, width), (rows, columns) = (scaled_size(each, self.scale) for each in (lr.shape[-2:], size))
        padded = F.pad(lr, (0, size[1] - lr.shape[-1], 0, size[0] - lr.shape[-2]), mode="replicate")
        if hr is not None:
            hr = F.pad(hr, (0, columns - width, 0, rows - height), mode="replicate")
        first = self._run("pre_encoder", padded)
        check_maps("pre_encoder", self._name_of("pre_encoder"), [first], [self.pre_encoder.out_spec], n, size)
        features = self._encode(first)
        latent = self._run("latent", features[-1], hr, noise)
        check_latent(self._name_of("latent"), latent, self.latent.out_spec, self.noise_specs, n, size)
        handed = (first, *features[:-1], latent.z) if self.skips else (latent.z,)
        sr = self._run("decoder", handed)
        check_image("decoder", self._name_of("decoder"), sr, (n, 3, rows, columns))
        sr = sr[..., :height, :width]
        if self.base is not None:
            name = self._name_of("base")
            with blaming("upscaler", name):
                base = _fitted(self.base, lr)
            check_image("upscaler", name, base, (n, 3, height, width))
            sr = sr + base
        return Output(sr, latent.prior, latent.posterior, latent.losses)

    def _encode(self, first: Tensor) -> tuple[Tensor, ...]:
        """The encoder's maps of the pre-encoded features, also where it takes one size only."""
        fixed, stride = self.encoder.fixed_size, self.pre_encoder.out_spec.stride

        def encode(part: Tensor) -> tuple[Tensor, ...]:
            maps: tuple[Tensor, ...] = self._run("encoder", part)
            size = int(part.shape[-2] * stride), int(part.shape[-1] * stride)
            check_maps("encoder", self._name_of("encoder"), maps, self.encoder.out_specs, len(part), size)
            return maps

        if fixed is None:
            return encode(first)
        strides = [spec.stride / stride for spec in self.encoder.out_specs]
        return blended(encode, first, (int(fixed[0] / stride), int(fixed[1] / stride)), strides)

    def _run(self, kind: str, *handed: Any) -> Any:
        """Put something through a part; what goes wrong in a third party's is told with its name.

        Raises:
            BrokenPluginError: It does.
        """
        with blaming(kind, self._name_of(kind)):
            return getattr(self, kind)(*handed)

    def _name_of(self, kind: str) -> str:
        name: str = self.config[kind]["name"]
        return name

    def noise(
        self,
        height: int,
        width: int,
        *,
        temperature: float = 1.0,
        seed: int = 0,
        sample: int = 0,
        origin: tuple[int, int] = (0, 0),
        device: torch.device | str = "cpu",
    ) -> tuple[Tensor, ...]:
        """Noise maps (1, C, h, w) for an LR image of ``height`` x ``width``; see `srzoo.noise.position_noise`."""
        size = self.padded_size(height, width)
        return tuple(
            temperature
            * position_noise(
                spec.channels,
                *spec.size(*size),
                seed=seed,
                sample=sample + (index << 32),
                origin=(int(origin[0] / spec.stride), int(origin[1] / spec.stride)),
                device=device,
            )
            for index, spec in enumerate(self.noise_specs)
        )

    def enlarge(
        self, lr: Tensor, *, temperature: float = 0.0, seed: int = 0, sample: int = 0, origin: tuple[int, int] = (0, 0)
    ) -> Tensor:
        """See `Model.enlarge`; all images of a batch are handed the same noise."""
        noise: tuple[Tensor, ...] = ()
        if temperature > 0:
            made = self.noise(
                *lr.shape[-2:], temperature=temperature, seed=seed, sample=sample, origin=origin, device=lr.device
            )
            noise = tuple(each.expand(lr.shape[0], -1, -1, -1) for each in made)
        lr = lr.contiguous(memory_format=torch.channels_last)
        return self.forward(lr, noise=noise).sr.clamp(0, 1)
