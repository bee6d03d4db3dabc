"""Orthogonalised momentum for the weights of convolutions and linear layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

SMALLEST_SIDE = 32
"""Matrices with a shorter side are left to Adam: there is little to orthogonalise in them."""

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(Optimizer):
    """Momentum whose update is replaced by the nearest orthogonal matrix; all matrices of a shape go together.

    A convolution's weight (O, I, k, k) counts as the matrix (O, I * k * k). Updates are scaled to the root mean square
    that Adam's usually have, so that both take the same learning rate. PyTorch's own Muon takes only parameters that
    are matrices already, one after another.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the scale from Liu et al.,
    "Muon is Scalable for LLM Training", 2025.

    Args:
        parameters: Weights with two or more dimensions.
        lr: Learning rate.
        momentum: Weight of the past in the moving average of the gradient.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for wide, members in self._updates(group).items():
                orthogonal = orthogonalize(torch.stack([update for _, update in members]))
                rate = group["lr"] * 0.2 * max(orthogonal.shape[1:]) ** 0.5
                for (parameter, _), update in zip(members, orthogonal.to(members[0][0].dtype), strict=True):
                    matrix = update if wide[2] else update.T
                    parameter.add_(matrix.reshape(parameter.shape), alpha=-rate)

    def _updates(self, group: dict[str, object]) -> dict[tuple[int, int, bool], list[tuple[Tensor, Tensor]]]:
        """Nesterov updates, each with its longer side last, by shape and by whether it was so already."""
        by_shape: dict[tuple[int, int, bool], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        momentum = group["momentum"]
        for parameter in group["params"]:  # type: ignore[attr-defined]
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            average = state.setdefault("average", torch.zeros_like(parameter))
            average.lerp_(parameter.grad, 1 - momentum)  # type: ignore[operator]
            update = parameter.grad.lerp(average, momentum).flatten(1)
            wide = update.shape[0] <= update.shape[1]
            update = update if wide else update.T
            by_shape[(update.shape[0], update.shape[1], wide)].append((parameter, update))
        return by_shape


def orthogonalize(matrices: Tensor) -> Tensor:
    """Matrices (K, A, B), A <= B, to near-orthogonal bfloat16 ones: singular values between about 0.7 and 1.2."""
    first, second, third = _COEFFICIENTS
    x = matrices.bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = first * x + (second * square + third * square @ square) @ x
    return x


def matrix_weights(model: nn.Module) -> Iterator[Tensor]:
    """Weights of a model's convolutions and linear layers whose shorter side is at least `SMALLEST_SIDE`."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weight = module.weight
            if weight.requires_grad and min(weight.shape[0], weight[0].numel()) >= SMALLEST_SIDE:
                yield weight
