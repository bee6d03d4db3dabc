"""What Muon's orthogonal matrices are worth where a GPU multiplies float32 in TF32, imitated on a CPU.

TF32 keeps ten bits of what is multiplied and adds up in float32; here factors are rounded so. `srzoo train` has Muon's
products take all digits, and this shows why.

    python benchmarks/muon_digits.py --data photos
    python benchmarks/muon_digits.py --data photos --start compact-fidelity
    python benchmarks/muon_digits.py --data photos --train 500
"""

from __future__ import annotations

import json
import statistics
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from srzoo.assembly import build_model
from srzoo.train import muon
from srzoo.train.data import open_crops, open_sets
from srzoo.train.loop import Report, Run
from srzoo.train.recipe import Recipe, load_recipe
from srzoo.train.start import take_start

_PRODUCTS = (torch.Tensor.matmul, torch.Tensor.__matmul__, torch.matmul)


def rounded(x: Tensor) -> Tensor:
    """A float32 tensor with ten bits of mantissa, rounded to nearest even."""
    bits = x.contiguous().view(torch.int32)
    return ((bits + 0x0FFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


class TenBits(TorchFunctionMode):
    """While it is entered, what matrix products multiply is rounded to ten bits."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Round the factors of products, and pass all else on."""
        if func in _PRODUCTS:
            args = tuple(map(rounded, args))
        elif func is torch.baddbmm:
            args = (args[0], *map(rounded, args[1:]))
        return func(*args, **(kwargs or {}))


def averages(recipe: Recipe, data: Path, start: str | None, steps: int) -> list[Tensor]:
    """Moving averages of gradients of L1 on crops as Muon takes them, as matrices (A, B), A <= B."""
    model = build_model(recipe.network(), seed=recipe.seed)
    if start is not None:
        take_start(model, start)
    crops = open_crops(recipe, open_sets(recipe, data), int(model.scale), 4 << 30, lambda done, total, what: None)
    weights = list(muon.matrix_weights(model))
    kept: dict[int, Tensor] = {}
    for step in range(steps):
        lr, hr = crops.batch(recipe.seed, step, range(recipe.data.batch), recipe.data.crop)
        model.zero_grad()
        F.l1_loss(model(lr).sr, hr).backward()
        for index, weight in enumerate(weights):
            if weight.grad is not None:
                kept[index] = torch.lerp(kept.get(index, weight.grad), weight.grad, 0.05)
    matrices = [muon._as_matrix(each) for each in kept.values()]
    return [each if each.shape[0] <= each.shape[1] else each.T for each in matrices]


def trained(recipe: Recipe, data: Path, digits: AbstractContextManager[Any]) -> float:
    """PSNR on the validation images, in dB, after training with Muon's products in those digits."""
    found = 0.0
    exact = muon._orthogonalized

    def watch(report: Report) -> None:
        nonlocal found
        found = report.values.get("val_psnr_y", found)

    def orthogonalized(stacks: list[Tensor]) -> list[Tensor]:
        with digits:
            return exact(stacks)

    with tempfile.TemporaryDirectory() as folder, patch.object(muon, "_orthogonalized", orthogonalized):
        Run(recipe, Path(folder, "run"), data).run(watch)
    return found


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--recipe", "name", default="compact", show_default=True)
@click.option("--start", help="Model whose gradients are taken.  [default: fresh weights]")
@click.option("--steps", type=click.IntRange(1), default=20, show_default=True, help="Of the moving average.")
@click.option("--train", type=click.IntRange(0), default=0, show_default=True, help="Steps to train in both ways.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
def main(data: Path, name: str, start: str | None, steps: int, train: int, threads: int) -> None:
    """Print how far off updates are, in shares of their norms, and their largest singular values, as JSON."""
    torch.set_num_threads(threads)
    first, *others = load_recipe(name).stages
    changes: dict[str, Any] = {stage.name: {"steps": 0} for stage in others}
    recipe = load_recipe(name, {"stages": changes | ({first.name: {"steps": train}} if train else {})})
    found: dict[str, Any] = {"torch": torch.__version__}
    if train:
        found["val_psnr_y"] = {
            "float32": trained(recipe, data, nullcontext()),
            "ten bits": trained(recipe, data, TenBits()),
        }
    else:
        errors, largest = [], []
        for matrix in averages(recipe, data, start, steps):
            (exact,) = muon.orthogonalize([matrix[None]])
            with TenBits():
                (coarse,) = muon.orthogonalize([matrix[None]])
            errors.append(float((coarse - exact).norm() / exact.norm()))
            largest.append(float(torch.linalg.svdvals(coarse[0])[0]))
        found |= {
            "matrices": len(errors),
            "error_median": statistics.median(errors),
            "error_worst": max(errors),
            "largest_singular_value": max(largest),
            "above_1.5": sum(value > 1.5 for value in largest),
        }
    click.echo(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
