"""One optimiser step: decode from prior or posterior, weigh the losses, move generator and discriminator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from srzoo.contracts import Discriminator, Output
from srzoo.errors import TrainingError
from srzoo.model import SRModel
from srzoo.train import losses
from srzoo.train.muon import Muon, matrix_weights
from srzoo.train.recipe import Stage

Terms = dict[str, Tensor]


class Trainer:
    """The networks and optimisers of one stage.

    Args:
        model: The generator.
        discriminator: What judges it, where the stage has an ``adversarial`` loss.
        stage: What is optimised.
        precision: ``float32`` or ``bf16``, which the device should do by itself; see `srzoo.train.precision`.
        seed: Seed of the noise.
    """

    def __init__(
        self, model: SRModel, discriminator: Discriminator | None, stage: Stage, precision: str, seed: int
    ) -> None:
        self.model = model
        self.discriminator = discriminator
        self._stage = stage
        self._precision = precision
        self._seed = seed
        device = next(model.parameters()).device
        self._device = device
        self._image_losses = {name: losses.image_loss(name) for name in losses.IMAGE_LOSSES if stage.uses(name)}
        for loss in self._image_losses.values():
            if isinstance(loss, nn.Module):
                loss.to(device).to(memory_format=torch.channels_last)
        self.optimizers = generator_optimizers(model, stage)
        """By name: what moves the generator, and ``discriminator``."""
        if discriminator is not None:
            rate = stage.discriminator_learning_rate
            self.optimizers["discriminator"] = _adam(discriminator.parameters(), rate, betas=(0.5, 0.99))

    def step(self, lr: Tensor, hr: Tensor, number: int) -> dict[str, float]:
        """Take step ``number`` of the stage on LR (N, 3, h, w) and HR (N, 3, scale * h, scale * w).

        Returns:
            Every loss term before weighting, the norm of the generator's gradient, and the learning rate.

        Raises:
            TrainingError: A term is not finite.
        """
        rate = _rate(self._stage, number)
        lr, hr = (each.to(self._device, memory_format=torch.channels_last) for each in (lr, hr))
        with _frozen(self.discriminator):
            fake, terms, loss = self._generator_loss(lr, hr, number)
            _check(terms, number)
            self.model.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._stage.clip)
        _check({"gradient": norm}, number)
        for name, optimizer in self.optimizers.items():
            if name != "discriminator":
                _move(optimizer, self._stage.learning_rate * rate)
        if self.discriminator is not None:
            terms |= self._discriminator_step(fake, hr, rate, number)
        values = {name: float(value.detach()) for name, value in terms.items()}
        return {**values, "gradient": float(norm), "learning_rate": self._stage.learning_rate * rate}

    def _autocast(self) -> Any:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._precision == "bf16")

    def _generator_loss(self, lr: Tensor, hr: Tensor, number: int) -> tuple[Tensor, Terms, Tensor]:
        stage = self._stage
        posterior = takes_posterior(stage.posterior_share, number)
        weights = stage.posterior if posterior else stage.prior
        with self._autocast():
            noise = self._noise(lr, 1.0 if posterior else stage.temperature, number)
            output = self.model(lr, hr if posterior else None, noise)
        sr = output.sr.float()
        weighted = self._terms(output, sr, hr, lr, weights)
        total = torch.zeros((), device=self._device) + sum(weight * term for weight, term in weighted.values())
        branch = "posterior" if posterior else "prior"
        return sr.detach(), {f"{branch}.{name}": term for name, (_, term) in weighted.items()}, total

    def _noise(self, lr: Tensor, temperature: float, number: int) -> tuple[Tensor, ...]:
        if temperature == 0:
            return ()
        generator = torch.Generator().manual_seed(self._seed * 2_000_003 + number)
        size = self.model.padded_size(*lr.shape[-2:])
        return tuple(
            temperature * torch.randn(lr.shape[0], spec.channels, *spec.size(*size), generator=generator).to(lr.device)
            for spec in self.model.noise_specs
        )

    def _terms(
        self, output: Output, sr: Tensor, hr: Tensor, lr: Tensor, weights: Mapping[Any, float]
    ) -> dict[str, tuple[float, Tensor]]:
        latent = losses.latent_terms(output)
        terms = {name: (1.0, term) for name, term in latent.items() if name != "kl"}
        for name, weight in weights.items():
            if name == "kl":
                if "kl" in latent:
                    terms[name] = (weight, latent["kl"])
                continue
            with self._autocast():
                if name == "adversarial":
                    assert self.discriminator is not None
                    term = losses.generator_hinge(self.discriminator(sr))
                else:
                    term = self._image_losses[name](sr, hr, lr)
            terms[name] = (weight, term)
        return terms

    def _discriminator_step(self, fake: Tensor, hr: Tensor, rate: float, number: int) -> Terms:
        assert self.discriminator is not None
        with self._autocast():
            real_logits, fake_logits = self.discriminator(hr), self.discriminator(fake)
        loss = losses.discriminator_hinge(real_logits, fake_logits)
        terms = {
            "discriminator": loss,
            "real_accuracy": torch.stack([(each > 0).float().mean() for each in real_logits]).mean(),
            "fake_accuracy": torch.stack([(each < 0).float().mean() for each in fake_logits]).mean(),
        }
        _check(terms, number)
        self.discriminator.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        _move(self.optimizers["discriminator"], self._stage.discriminator_learning_rate * rate)
        return terms


def generator_optimizers(model: nn.Module, stage: Stage) -> dict[str, Optimizer]:
    """``adam`` for all weights, or ``muon`` for the matrices among them and ``adam`` for the rest."""
    matrices = list(matrix_weights(model)) if stage.optimizer == "muon" else []
    if not matrices:
        return {"adam": _adam(model.parameters(), stage.learning_rate, betas=(0.9, 0.99))}
    taken = set(map(id, matrices))
    rest = [parameter for parameter in model.parameters() if id(parameter) not in taken]
    return {
        "muon": Muon(matrices, stage.learning_rate),
        "adam": _adam(rest, stage.learning_rate, betas=(0.9, 0.99)),
    }


def _adam(parameters: Iterable[Tensor], rate: float, betas: tuple[float, float]) -> Optimizer:
    return torch.optim.Adam(parameters, rate, betas=betas, fused=True)


def _move(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()


def takes_posterior(share: float, step: int) -> bool:
    """Whether step ``step`` decodes from the posterior, so that ``share`` of all steps do, evenly spread."""
    return math.floor((step + 1) * share) > math.floor(step * share)


def _rate(stage: Stage, step: int) -> float:
    """Share of the full learning rate: a linear climb, then a cosine to zero."""
    if step < stage.warm_up:
        return (step + 1) / stage.warm_up
    done = (step - stage.warm_up) / max(1, stage.steps - stage.warm_up)
    return 0.5 * (1 + math.cos(math.pi * done))


def _check(terms: Mapping[str, Tensor], number: int) -> None:
    for name, value in terms.items():
        if not torch.isfinite(value).all():
            raise TrainingError(
                f"{name} became {float(value)} at step {number}; start again with a lower "
                "learning_rate and another --output"
            )


@contextmanager
def _frozen(module: nn.Module | None) -> Iterator[None]:
    """The generator's gradient goes through the discriminator, but does not gather in it."""
    if module is None:
        yield
        return
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
