"""One optimiser step: decode from prior or posterior, weigh the losses, move generator and discriminator."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from srzoo.contracts import Discriminator, Output
from srzoo.model import SRModel
from srzoo.seams import blaming, check_logits, check_scalar
from srzoo.train.batch import Batch
from srzoo.train.engine import average_over_processes
from srzoo.train.graphs import Kind, StepGraphs, Values
from srzoo.train.latent import channel_nats
from srzoo.train.objective import Branch, Objective, Weighed
from srzoo.train.optimizers import discriminator_optimizer, generator_optimizer, rate_share, set_rate
from srzoo.train.recipe import Stage
from srzoo.train.twice import DifferentiableTwice


class Trainer:
    """The networks, losses and optimisers of one stage.

    Args:
        fabric: Where to compute.
        model: The generator.
        discriminator: What judges it, where the stage has an adversarial loss.
        stage: What is optimised.
        objective: Its losses.
        precision: Arithmetic of the networks; in ``fp16``, whatever is differentiated down to an image is
            computed in float32, since no scaler has a say there.
        seed: Seed of chance inside the networks, such as dropout.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: SRModel,
        discriminator: Discriminator | None,
        stage: Stage,
        objective: Objective,
        precision: str,
        seed: int,
    ) -> None:
        self._fabric = fabric
        self._stage = stage
        self._seed = seed
        self._objective = objective.to(fabric.device).to(memory_format=torch.channels_last)
        self._half_losses = precision == "bf16"
        self._scaled = precision == "fp16"
        self._model = fabric.setup_module(model)
        self._judge = discriminator
        self._judge_name, self._latent_name = (model.config[kind]["name"] for kind in ("discriminator", "latent"))
        self._graphs: StepGraphs | None = None
        self.optimizers = {"generator": generator_optimizer(model, stage)}
        """By name: ``generator``, and ``discriminator`` where there is one."""
        if discriminator is not None:
            self._players = fabric.setup_module(discriminator)
            self.optimizers["discriminator"] = discriminator_optimizer(discriminator.parameters(), stage)
        self._moved: dict[str, Any] = {name: fabric.setup_optimizers(each) for name, each in self.optimizers.items()}

    def record(self) -> None:
        """Take steps as CUDA graphs from now on, where that can be: on a GPU, alone, without a scaler."""
        device = self._fabric.device
        if device.type == "cuda" and self._fabric.world_size == 1 and not self._scaled:
            self._graphs = StepGraphs(lambda kind, batch: self._take(kind, batch, self._stage.steps), device)

    def step(self, batch: Batch, number: int, rate: float = 1.0) -> Values:
        """Take step ``number`` of the stage.

        Args:
            batch: This process's share.
            number: Steps of the stage done before.
            rate: What learning rates are multiplied by, beside the stage's schedule.

        Returns:
            Scalars without gradient, of all processes together: each loss term before weighting, ``at_image.`` and its
            name for the norm of its weighted gradient at the generator's output, ``gradient`` and
            ``discriminator_gradient`` for those of all weights before clipping, what the discriminator did, and ``kl.``
            and a number for the nats of each channel of the latent.
        """
        stage = self._stage
        torch.manual_seed(((self._seed * 1_000_003 + number) * 1_009 + self._fabric.global_rank) % 2**63)
        rate *= rate_share(stage, number)
        set_rate(self.optimizers["generator"], stage.learning_rate * rate)
        penalised = False
        if self._judge is not None:
            set_rate(self.optimizers["discriminator"], stage.discriminator_learning_rate * rate)
            penalised = bool(stage.r1) and number % stage.r1_every == 0
        kind = Kind(takes_posterior(stage.posterior_share, number), penalised)
        batch = batch.on(self._fabric.device)
        if self._graphs is not None and self._branch(kind).steady(number):
            return self._graphs.step(kind, batch)
        return self._take(kind, batch, number)

    def _branch(self, kind: Kind) -> Branch:
        return self._objective.branch(posterior=kind.posterior)

    def _take(self, kind: Kind, batch: Batch, number: int) -> Values:
        parts = list(batch.parts(self._stage.accumulate))
        values = _Mean(len(parts))
        fakes = []
        with _frozen(self._judge):
            for index, part in enumerate(parts):
                with self._fabric.no_backward_sync(self._model, enabled=index < len(parts) - 1):
                    fakes.append(self._pull_generator(part, kind, number, values))
        norms = {"gradient": self._clip("generator", self._model, self._stage.clip)}
        self._move("generator")
        if self._judge is not None:
            self._play(parts, fakes, kind, values)
            norms["discriminator_gradient"] = self._clip("discriminator", self._players, math.inf)
            self._move("discriminator")
        return self._shared(values.values) | norms

    def _pull_generator(self, batch: Batch, kind: Kind, number: int, values: _Mean) -> Tensor:
        """Gather the generator's gradient, and return what it made, one sample of each crop.

        Each loss is differentiated down to the image by itself, so that the ledger can tell what each asks for at no
        further cost; one pass through the generator then carries their sum.
        """
        name, branch = "posterior" if kind.posterior else "prior", self._branch(kind)
        draws, batch = batch.draws, batch.repeated()
        output: Output = self._model(batch.lr, batch.hr if kind.posterior else None, batch.noise)
        leaf = output.sr.detach().requires_grad_()
        pull = torch.zeros_like(leaf)
        for key, term, value in self._image_terms(branch, leaf, batch, draws):
            gradient = term.gradient(value, leaf)
            pull.add_(gradient, alpha=term.weight)
            values.add(f"{name}.{key}", value)
            values.add(f"at_image.{name}.{key}", term.weight**2 * gradient.square().sum())
        total = (output.sr * pull).sum()
        for key, extra in output.losses.items():
            check_scalar("latent", self._latent_name, extra)
            values.add(f"{name}.{key}", extra)
            total = total + extra
        if output.posterior:
            for key, charge in branch.latent.items():
                value = charge.measure(charge.loss, output.prior, output.posterior, number)
                values.add(f"{name}.{key}", value)
                total = total + charge.weight * value
            for channel, nats in enumerate(channel_nats(output.posterior, output.prior)):
                values.add(f"kl.{channel}", nats)
        self._fabric.backward(total / values.parts)
        return leaf.detach()[::draws]

    def _image_terms(
        self, branch: Branch, sr: Tensor, batch: Batch, draws: int
    ) -> Iterator[tuple[str, Weighed[Any], Tensor]]:
        for name, term in branch.image.items():
            with self._autocast(self._half_losses):
                value = term.measure(term.loss, sr, batch.hr, batch.lr)
            yield name, term, value
        for name, pair in branch.samples.items():
            with self._autocast(self._half_losses):
                value = pair.measure(pair.loss, sr[::draws], sr[1::draws], batch.hr[::draws], batch.lr[::draws])
            yield name, pair, value
        for name, game in branch.adversarial.items():
            with self._autocast(self._half_losses):
                real: tuple[Tensor, ...] = ()
                if game.loss.needs_real:
                    with torch.no_grad():
                        logits = self._logits(self._judge, batch.hr[::draws])
                        real = tuple(each.repeat_interleave(draws, dim=0) for each in logits)
                value = game.measure(game.loss.generator, real, self._logits(self._judge, sr))
            yield name, game, value

    def _logits(self, judge: Any, image: Tensor) -> tuple[Tensor, ...]:
        """What the discriminator, as Fabric wrapped it or as it is, makes of images, in float32."""
        with blaming("discriminator", self._judge_name):
            maps = judge(image)
        check_logits("discriminator", self._judge_name, maps, len(image))
        return tuple(each.float() for each in maps)

    def _autocast(self, wanted: bool) -> Any:
        return self._fabric.autocast() if wanted else nullcontext()

    def _play(self, parts: list[Batch], fakes: list[Tensor], kind: Kind, values: _Mean) -> None:
        """Gather the discriminator's gradient."""
        game = self._objective.adversarial
        assert game is not None
        for index, (part, fake) in enumerate(zip(parts, fakes, strict=True)):
            with self._fabric.no_backward_sync(self._players, enabled=index < len(parts) - 1):
                logits = self._logits(self._players, part.hr), self._logits(self._players, fake)
                loss = game.measure(game.loss.discriminator, *logits)
                values.add("discriminator", loss)
                with torch.no_grad():
                    right = game.loss.accuracy(*logits)
                for name, share in zip(("real_accuracy", "fake_accuracy"), right, strict=True):
                    values.add(name, share)
                if kind.penalised:
                    penalty = self._penalty(part.hr)
                    values.add("r1", penalty)
                    loss = loss + 0.5 * self._stage.r1 * self._stage.r1_every * penalty
                self._fabric.backward(loss / values.parts)

    def _penalty(self, real: Tensor) -> Tensor:
        """R1, by a pass of its own: what comes out of a module that Fabric wrapped, Fabric alone differentiates.

        What `torch.compile` made of the discriminator cannot be differentiated twice, so ``forward`` goes around it.
        """
        assert self._judge is not None
        real = real.detach().requires_grad_()
        with self._autocast(self._half_losses), DifferentiableTwice():
            logits = self._logits(self._judge.forward, real)
        return gradient_penalty(logits, real)

    def _clip(self, name: str, module: Any, most: float) -> Tensor:
        norm = self._fabric.clip_gradients(module, self._moved[name], max_norm=most, error_if_nonfinite=False)
        assert norm is not None
        return norm.detach()

    def _move(self, name: str) -> None:
        self._moved[name].step()
        self._moved[name].zero_grad()

    def _shared(self, values: Values) -> Values:
        """The values of all processes together, squared norms of their shares' gradients as norms of the whole's."""
        names = list(values)
        means = average_over_processes(self._fabric, torch.stack([values[name].float() for name in names]))
        shared = dict(zip(names, means, strict=True))
        for name in names:
            if name.startswith("at_image."):
                shared[name] = (shared[name] / self._fabric.world_size).sqrt()
        return shared


class _Mean:
    """Means, by name, of what the parts of a batch give; squared norms of gradients are those of the whole batch."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.values: Values = {}

    def add(self, name: str, value: Tensor) -> None:
        share = value.detach() / (self.parts**2 if name.startswith("at_image.") else self.parts)
        self.values[name] = self.values[name] + share if name in self.values else share


def select_parts(model: SRModel, stage: Stage, trainable: Collection[Tensor]) -> None:
    """Let gradients reach what the stage trains, and put the rest to rest.

    Args:
        model: The generator.
        stage: Names the parts that are trained.
        trainable: Parameters that are learned at all; a part may have frozen others.
    """
    parts = trained_parts(model, stage)
    chosen = {id(parameter) for part in parts for parameter in part.parameters()}
    for parameter in trainable:
        parameter.requires_grad_(id(parameter) in chosen)
    model.eval()
    for part in parts:
        part.train()


def trained_parts(model: SRModel, stage: Stage) -> list[nn.Module]:
    """What the stage trains of a generator."""
    return [getattr(model, name) for name in stage.train] or [model]


def before_of_its_kind(share: float, step: int) -> int:
    """How many steps before step ``step`` decode from what it decodes from, the prior or the posterior."""
    from_posterior = math.floor(step * share)
    return from_posterior if takes_posterior(share, step) else step - from_posterior


def takes_posterior(share: float, step: int) -> bool:
    """Whether step ``step`` decodes from the posterior, so that ``share`` of all steps do, evenly spread."""
    return math.floor((step + 1) * share) > math.floor(step * share)


def gradient_penalty(logits: tuple[Tensor, ...], real: Tensor) -> Tensor:
    """Squared gradient of the logits at real images, a mean over images: R1.

    Source: Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018.

    Args:
        logits: Maps (N, ...) computed from ``real``; each image's logit is the mean of its maps.
        real: Images (N, 3, H, W) with ``requires_grad``.
    """
    total = torch.stack([each.flatten(1).mean(dim=1) for each in logits]).mean(dim=0).sum()
    (gradient,) = torch.autograd.grad(total, real, create_graph=True)
    return gradient.square().flatten(1).sum(dim=1).mean()


@contextmanager
def _frozen(module: nn.Module | None) -> Iterator[None]:
    """The generator's gradient goes through the discriminator, but does not gather in it."""
    if module is None:
        yield
        return
    kept = [parameter for parameter in module.parameters() if parameter.requires_grad]
    module.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in kept:
            parameter.requires_grad_(True)
