"""The losses of a stage, looked up by name and made before the first step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from srzoo.assembly import Chosen, choose
from srzoo.config import PartConfig
from srzoo.contracts import AdversarialLoss, ImageLoss, LatentLoss, Loss, SamplesLoss
from srzoo.errors import BrokenPluginError, ConfigError
from srzoo.options import construct
from srzoo.seams import blaming, check_scalar
from srzoo.train.recipe import Stage, Term

AnyLoss = TypeVar("AnyLoss", bound=Loss)


@dataclass(frozen=True)
class Weighed(Generic[AnyLoss]):
    """A loss in a branch."""

    weight: float
    """What its value is multiplied by."""

    name: str
    """Its qualified name."""

    loss: AnyLoss
    """The loss itself; branches that ask for the same share it."""

    def measure(self, method: Callable[..., Tensor], *handed: Any) -> Tensor:
        """What ``method``, one of the loss's, makes of what it is handed: a scalar.

        Raises:
            BrokenPluginError: A third party's fails, or it makes something else.
        """
        with blaming("loss", self.name):
            value = method(*handed)
        check_scalar("loss", self.name, value)
        return value

    def gradient(self, value: Tensor, image: Tensor) -> Tensor:
        """What ``value``, one of its, has for gradient at an image; raises as `measure` does."""
        with blaming("loss", self.name):
            (gradient,) = torch.autograd.grad(value, image)
        return gradient


@dataclass
class Branch:
    """Losses on what is decoded from the prior, or from the posterior, by their names in the recipe."""

    image: dict[str, Weighed[ImageLoss]] = field(default_factory=dict)
    samples: dict[str, Weighed[SamplesLoss]] = field(default_factory=dict)
    latent: dict[str, Weighed[LatentLoss]] = field(default_factory=dict)
    adversarial: dict[str, Weighed[AdversarialLoss]] = field(default_factory=dict)

    @property
    def watched(self) -> tuple[str, ...]:
        """Losses whose value tells whether training has blown up."""
        return *self.image, *self.samples

    @property
    def draws(self) -> int:
        """How many samples of each crop its losses look at."""
        return 2 if self.samples else 1

    def steady(self, step: int) -> bool:
        """Whether no loss asks for anything else in a later step than in this one."""
        return all(term.loss.steady(step) for term in self.latent.values())


class Objective(nn.Module):
    """What a stage minimises.

    Args:
        stage: Names losses by branch.
        scale: Enlargement factor.

    Raises:
        SrzooError: A loss is unknown, or cannot be made, such as for weights that are not at hand.
        ConfigError: The losses do not make a stage: nothing is asked of the image, or two adversarial losses differ.
    """

    def __init__(self, stage: Stage, scale: int) -> None:
        super().__init__()
        self.adversarial: Weighed[AdversarialLoss] | None = None
        """What generator and discriminator play by, where the stage has a discriminator."""
        self.branches: dict[str, Branch] = {}
        self._made = nn.ModuleDict()
        for name, term in (*stage.prior.items(), *stage.posterior.items()):
            _chosen(name, term.options)  # those without a weight, too, which may be misspelt
        for name, terms in stage.branches():
            self.branches[name] = self._branch(stage, name, terms, scale)
        players = [each for branch in self.branches.values() for each in branch.adversarial.items()]
        names = list(dict.fromkeys(name for name, _ in players))
        if len(names) > 1 or len({id(term.loss) for _, term in players}) > 1:
            raise ConfigError(
                f"stage {stage.name}: {', '.join(names)}: one discriminator plays "
                "by one adversarial loss; name the same one, with the same options, in prior and posterior"
            )
        if players:
            self.adversarial = players[0][1]
        elif stage.r1:
            raise ConfigError(f"stage {stage.name}: r1 is the discriminator's; name an adversarial loss, such as hinge")

    def branch(self, *, posterior: bool) -> Branch:
        """Losses on what is decoded from the posterior, or from the prior."""
        return self.branches["posterior" if posterior else "prior"]

    @property
    def min_size(self) -> int:
        """Smallest height and width, in HR pixels, that every loss can take."""
        return max((loss.min_size for loss in self._made.values()), default=1)  # type: ignore[type-var,return-value]

    def _branch(self, stage: Stage, name: str, terms: Mapping[str, Term], scale: int) -> Branch:
        branch = Branch()
        for key, term in terms.items():
            chosen = _chosen(key, term.options)
            name_of_part, loss = chosen.part.ref.qualified, self._make(chosen, scale)
            if isinstance(loss, ImageLoss):
                branch.image[key] = Weighed(term.weight, name_of_part, loss)
            elif isinstance(loss, SamplesLoss):
                branch.samples[key] = Weighed(term.weight, name_of_part, loss)
            elif isinstance(loss, LatentLoss):
                branch.latent[key] = Weighed(term.weight, name_of_part, loss)
            else:
                assert isinstance(loss, AdversarialLoss)
                branch.adversarial[key] = Weighed(term.weight, name_of_part, loss)
        if name == "prior" and branch.latent:
            raise ConfigError(
                f"stage {stage.name}: {', '.join(branch.latent)} compares posterior and prior, which steps from the "
                "prior alone cannot; name it in posterior"
            )
        if not (branch.image or branch.samples or branch.adversarial):
            raise ConfigError(
                f"stage {stage.name}: {name} needs a loss on the image, such as {name} = {{ l1 = 1.0 }}; "
                "see: srzoo list losses"
            )
        return branch

    def _make(self, chosen: Chosen, scale: int) -> Loss:
        """The loss; branches that ask for the same share it."""
        key = f"{chosen.part.ref.qualified} {sorted(chosen.options.items())}".replace(".", "_")
        if key not in self._made:
            cls = chosen.part.ref.load()
            with torch.random.fork_rng(devices=[]):
                loss = construct(cls, scale, options=chosen.options, owner=chosen.owner)
            if not isinstance(loss, ImageLoss | SamplesLoss | LatentLoss | AdversarialLoss):
                raise BrokenPluginError(
                    f"{chosen.owner} extends none of ImageLoss, SamplesLoss, AdversarialLoss, LatentLoss"
                )
            self._made[key] = loss.requires_grad_(False)
        return self._made[key]  # type: ignore[return-value]


def _chosen(name: str, options: Mapping[str, Any]) -> Chosen:
    return choose("loss", PartConfig(name=name, options=dict(options)))
