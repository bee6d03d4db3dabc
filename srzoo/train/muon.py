"""Orthogonalised momentum for the weights of convolutions and linear layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

SMALLEST_SIDE = 32
"""Matrices with a shorter side are left to Adam: there is little to orthogonalise in them."""

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(Adam):
    """Adam; but groups with ``orthogonal=True`` follow their momentum, replaced by the nearest orthogonal matrix.

    A convolution's weight (O, I, k, k) counts as the matrix (O, I * k * k). Updates are scaled to the root mean square
    that Adam's usually have, so that both take the same learning rate. All matrices of a shape go together; PyTorch's
    own Muon takes only parameters that are matrices already, one after another, and leaves the rest to a second one.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the scale from Liu et al.,
    "Muon is Scalable for LLM Training", 2025.

    Args:
        groups: Parameter groups, each with ``params`` and ``orthogonal``; orthogonal ones hold weights with two or more
            dimensions.
        lr: Learning rate.
        betas: Adam's decays.
        momentum: Weight of the past in the moving average of an orthogonal group's gradient.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        momentum: float = 0.95,
    ) -> None:
        super().__init__(groups, lr, betas=betas, fused=True)
        self._momentum = momentum
        self._step_supports_amp_scaling = False  # Adam's fused step unscales by itself, the matrices' does not

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            super().step()
        finally:
            self.param_groups = groups
        for group in groups:
            if group["orthogonal"]:
                self._move_matrices(group)

    def _move_matrices(self, group: dict[str, Any]) -> None:
        for (_, _, wide), members in self._updates(group).items():
            orthogonal = orthogonalize(torch.stack([update for _, update in members]))
            rate = group["lr"] * 0.2 * max(orthogonal.shape[1:]) ** 0.5
            for (parameter, _), update in zip(members, orthogonal.to(members[0][0].dtype), strict=True):
                matrix = update if wide else update.T
                parameter.add_(matrix.reshape(parameter.shape), alpha=-rate)

    def _updates(self, group: dict[str, Any]) -> dict[tuple[int, int, bool], list[tuple[Tensor, Tensor]]]:
        """Nesterov updates, each with its longer side last, by shape and by whether it was so already."""
        by_shape: dict[tuple[int, int, bool], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros(())  # Adam looks for it in every state that it loads
                state["average"] = torch.zeros_like(parameter)
            state["step"] += 1
            average = state["average"]
            average.lerp_(parameter.grad, 1 - self._momentum)
            update = parameter.grad.lerp(average, self._momentum).flatten(1)
            wide = update.shape[0] <= update.shape[1]
            update = update if wide else update.T
            by_shape[(update.shape[0], update.shape[1], wide)].append((parameter, update))
        return by_shape


def orthogonalize(matrices: Tensor) -> Tensor:
    """Matrices (K, A, B), A <= B, to near-orthogonal ones: singular values between about 0.7 and 1.2.

    Newton-Schulz iterations only ever multiply by polynomials of the Gram matrix, so they run on that, (K, A, A), and
    the matrices themselves are multiplied twice in all: exact in float32, and faster than bfloat16 without.
    """
    first, second, third = _COEFFICIENTS
    x = matrices.float()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    gram = x @ x.mT
    product = torch.eye(gram.shape[-1], device=x.device).expand_as(gram)
    for _ in range(_ITERATIONS):
        factor = second * gram + third * gram @ gram
        factor.diagonal(dim1=1, dim2=2).add_(first)
        product = factor @ product
        gram = factor @ gram @ factor
    return product @ x


def matrix_weights(model: nn.Module) -> Iterator[Tensor]:
    """Weights of a model's convolutions and linear layers whose shorter side is at least `SMALLEST_SIDE`."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weight = module.weight
            if weight.requires_grad and min(weight.shape[0], weight[0].numel()) >= SMALLEST_SIDE:
                yield weight
