"""Losses that look at the whole batch, for a share of it; run as a script it is one of two processes."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from parts import make
from torch import Tensor

from srzoo.contracts import Gaussian

Taught = dict[str, tuple[Tensor, list[Tensor]]]
"""Value and gradients of each loss."""


def logits(seed: int, n: int = 4) -> tuple[Tensor, Tensor]:
    """Two maps of unlike sizes."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 1, 5, 7, generator=generator), 2 * torch.randn(n, 1, 2, 3, generator=generator)


def gaussians(seed: int, n: int = 4) -> tuple[Gaussian, ...]:
    """Distributions over two maps of unlike sizes."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((n, 3, 4, 6), (n, 2, 2, 3))
    return tuple(Gaussian(*(torch.randn(shape, generator=generator) for _ in "ml")) for shape in shapes)


def taught_by(share: slice) -> Taught:
    """What a share of the batch is told; the same in every process but for the share."""
    real, fake = (tuple(each[share].requires_grad_() for each in logits(seed)) for seed in (1, 2))
    prior, posterior = (
        tuple(Gaussian(*(each[share].requires_grad_() for each in one)) for one in gaussians(seed)) for seed in (3, 4)
    )
    flat = [each for side in (prior, posterior) for one in side for each in one]
    game, divergence = make("loss", "relativistic", 4), make("loss", "kl", 4, free_bits=1.5)
    values = {
        "generator": (game.generator(real, fake), [*real, *fake]),
        "discriminator": (game.discriminator(real, fake), [*real, *fake]),
        "kl": (divergence(prior, posterior, 0), flat),
    }
    return {name: (value.detach(), list(torch.autograd.grad(value, given))) for name, (value, given) in values.items()}


def main(folder: Path, rank: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(taught_by(slice(rank, None, 2)), folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
