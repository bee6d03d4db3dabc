"""Orthogonalised momentum for the weights of convolutions and linear layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
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

    A convolution's weight (O, I, k, k) counts as a matrix of O rows. Updates are scaled to the root mean square
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
        for stacks in self._updates(group).values():
            for members, matrices in zip(
                stacks, orthogonalize([torch.stack(each.updates) for each in stacks]), strict=True
            ):
                rate = group["lr"] * 0.2 * max(matrices.shape[1:]) ** 0.5
                torch._foreach_sub_(members.weights, members.shaped(matrices * rate))

    def _updates(self, group: dict[str, Any]) -> dict[int, list[_Stack]]:
        """Nesterov updates by the length of their shorter side, those of one shape in one stack."""
        weights = [weight for weight in group["params"] if weight.grad is not None]
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["step"] = torch.zeros(())  # Adam looks for it in every state that it loads
                state["average"] = torch.zeros_like(weight)
        if not weights:
            return {}
        gradients, averages = [each.grad for each in weights], [self.state[each]["average"] for each in weights]
        torch._foreach_lerp_(averages, gradients, 1 - self._momentum)
        by_shape: dict[tuple[int, int, bool], _Stack] = {}
        for weight, update in zip(weights, torch._foreach_lerp(gradients, averages, self._momentum), strict=True):
            matrix = _as_matrix(update)
            wide = matrix.shape[0] <= matrix.shape[1]
            matrix = matrix if wide else matrix.T
            by_shape.setdefault((*matrix.shape, wide), _Stack(wide)).add(weight, matrix)
        by_side: dict[int, list[_Stack]] = defaultdict(list)
        for (shorter, _, _), stack in by_shape.items():
            by_side[shorter].append(stack)
        return by_side


class _Stack:
    """Weights of one shape, and their updates as matrices whose longer side comes last.

    Args:
        wide: Whether they were so already.
    """

    def __init__(self, wide: bool) -> None:
        self._wide = wide
        self.weights: list[Tensor] = []
        self.updates: list[Tensor] = []

    def add(self, weight: Tensor, update: Tensor) -> None:
        """Put a weight and its update on top."""
        self.weights.append(weight)
        self.updates.append(update)

    def shaped(self, matrices: Tensor) -> list[Tensor]:
        """Matrices (K, A, B), one for each weight, as tensors like these."""
        turned = matrices.to(self.weights[0].dtype) if self._wide else matrices.mT.to(self.weights[0].dtype)
        return [_from_matrix(matrix, weight) for matrix, weight in zip(turned, self.weights, strict=True)]


def _as_matrix(weight: Tensor) -> Tensor:
    """A weight (O, I, k, k) as (O, k * k * I): columns may come in any order, and in ``channels_last`` they lie so."""
    return (weight.permute(0, 2, 3, 1) if weight.ndim == 4 else weight).flatten(1)


def _from_matrix(matrix: Tensor, weight: Tensor) -> Tensor:
    if weight.ndim != 4:
        return matrix.reshape(weight.shape)
    rows, columns, height, width = weight.shape
    return matrix.reshape(rows, height, width, columns).permute(0, 3, 1, 2)


def orthogonalize(stacks: Sequence[Tensor]) -> list[Tensor]:
    """Stacks of matrices (K, A, B), A <= B, A the same in all, to near-orthogonal ones: singular values of 0.7 to 1.2.

    Newton-Schulz iterations only ever multiply by polynomials of the Gram matrix, so they run on that, (K, A, A), for
    all stacks at once, and the matrices themselves are multiplied twice in all: faster than bfloat16 without, and few
    launches for a GPU. It takes all digits of float32: with the ten bits of TF32 small eigenvalues turn negative, and
    grow from one iteration to the next.
    """
    with _all_digits():
        return _orthogonalized(stacks)


@contextmanager
def _all_digits() -> Iterator[None]:
    """Matrix products of float32 in float32, also where a GPU is allowed less."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _orthogonalized(stacks: Sequence[Tensor]) -> list[Tensor]:
    normal = [x.float() / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7) for x in stacks]
    gram = torch.cat([x @ x.mT for x in normal])
    first, second, third = _COEFFICIENTS
    product = None
    for _ in range(_ITERATIONS):
        factor = torch.baddbmm(gram, gram, gram, beta=second, alpha=third)
        factor.diagonal(dim1=1, dim2=2).add_(first)
        product = factor if product is None else factor @ product
        gram = factor @ gram @ factor
    assert product is not None
    return [each @ x for each, x in zip(torch.split(product, [len(x) for x in normal]), normal, strict=True)]


def matrix_weights(model: nn.Module) -> Iterator[Tensor]:
    """Weights of a model's convolutions and linear layers whose shorter side is at least `SMALLEST_SIDE`."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weight = module.weight
            if weight.requires_grad and min(weight.shape[0], weight[0].numel()) >= SMALLEST_SIDE:
                yield weight
