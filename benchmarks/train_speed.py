"""Steps per second of `srzoo train` against a plain PyTorch loop with the same network, losses, batch and optimiser.

The plain loop is what a reader of tutorials writes: NCHW tensors, float32, one `backward` over the weighted sum, Adam,
no moving average, no ledger, crops that lie ready in memory. srzoo's does all of its usual work: it makes crops, keeps
an average and a ledger, checks every term, and computes in channels_last and the recipe's precision. The LR of each
photo is made once in a run, when a crop of it is first drawn; here that is done before the clock starts, or else the
first steps would carry what thousands share. Both take turns, so that what else the machine does hits both.

    python benchmarks/train_speed.py --data photos --threads 2
    python benchmarks/train_speed.py --data photos --device cuda --profile
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import torch
from torch.nn import functional as F

from srzoo.assembly import build_model
from srzoo.data.prefetch import processors
from srzoo.train.loop import Report, Run
from srzoo.train.recipe import Recipe, load_recipe
from srzoo.train.step import takes_posterior

ROUND = 20
"""Steps in a turn; short, so that both loops of a pair meet the machine in the same mood."""


def plain(recipe: Recipe, batches: list[tuple[torch.Tensor, ...]], device: str) -> Callable[[], float]:
    """The plain loop; each call does `ROUND` steps and tells how long they took."""
    stage = recipe.stages[0]
    model = build_model(recipe.network(), seed=0).to(device)
    optimizer = torch.optim.Adam(model.parameters(), stage.learning_rate)
    weight = stage.posterior["kl"].weight
    number = 0

    def turn() -> float:
        nonlocal number
        began = time.perf_counter()
        for _ in range(ROUND):
            lr, hr = (each.to(device) for each in batches[number % len(batches)])
            posterior = takes_posterior(stage.posterior_share, number)
            size = model.padded_size(*lr.shape[-2:])
            noise = tuple(
                torch.randn(len(lr), spec.channels, *spec.size(*size), device=device) for spec in model.noise_specs
            )
            output = model(lr, hr if posterior else None, noise if posterior else ())
            loss = F.l1_loss(output.sr, hr)
            if posterior:
                (q,), (p,) = output.posterior, output.prior
                normals = [torch.distributions.Normal(each.mean, (0.5 * each.log_variance).exp()) for each in (q, p)]
                loss = loss + weight * torch.distributions.kl_divergence(*normals).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), stage.clip)
            optimizer.step()
            number += 1
        if device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    return turn


def ours(recipe: Recipe, data: Path, folder: Path, device: str, graphs: bool) -> Iterator[float]:
    """srzoo's loop; each turn yields how long `ROUND` steps took. A generator cannot pause it, a thread can."""
    from queue import Queue
    from threading import Semaphore, Thread

    go, told = Semaphore(0), Queue[float]()
    seen = 0

    def watch(report: Report) -> None:
        nonlocal seen
        if report.values:
            return
        seen += 1
        if seen % ROUND == 0:
            if device != "cpu":
                torch.cuda.synchronize()
            told.put(time.perf_counter())
            go.acquire()

    run = Run(recipe, folder, data, device=device, workers=max(1, processors() // 2), graphs=graphs)
    if run.photos.in_memory:
        for index in filter(run.photos.usable, range(len(run.photos))):
            run.photos.lr(index)
    Thread(target=lambda: run.run(watch), daemon=True).start()
    last = told.get()  # the first turn warms up
    while True:
        began = time.perf_counter()
        go.release()
        last = told.get()
        yield last - began


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--recipe", default="fidelity", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--turns", type=click.IntRange(1), default=15, show_default=True)
@click.option("--precision", default=None, help="In place of the recipe's.")
@click.option("--adam", is_flag=True, help="Adam in place of the recipe's optimiser, as in the plain loop.")
@click.option("--no-graphs", is_flag=True, help="Launch every kernel anew on a GPU as well.")
@click.option("--profile", is_flag=True, help="Also tell the share of the time that a GPU spends in kernels.")
def main(
    data: Path,
    recipe: str,
    threads: int,
    device: str,
    turns: int,
    precision: str | None,
    adam: bool,
    no_graphs: bool,
    profile: bool,
) -> None:
    """Print medians over turns, as JSON."""
    torch.set_num_threads(threads)
    changes: dict[str, object] = {"stages": {"fidelity": {"steps": 10**6, **({"optimizer": "adam"} if adam else {})}}}
    changes |= {"validate_every": 10**6, "save_every": 10**6, **({"precision": precision} if precision else {})}
    chosen = load_recipe(recipe, changes)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        turns_of_ours = ours(chosen, data, Path(folder), device, not no_graphs)
        next(turns_of_ours)
        batch, crop, scale = chosen.data.batch, chosen.data.crop, chosen.network().scale
        batches = [
            (torch.rand(batch, 3, crop, crop), torch.rand(batch, 3, scale * crop, scale * crop)) for _ in range(8)
        ]
        turn = plain(chosen, batches, device)
        turn()
        times = [(next(turns_of_ours), turn()) for _ in range(turns)]
        found = {
            "srzoo_steps_per_second": ROUND / statistics.median(one for one, _ in times),
            "plain_steps_per_second": ROUND / statistics.median(other for _, other in times),
            "ratio_median": statistics.median(other / one for one, other in times),
            "ratio_least": min(other / one for one, other in times),
            "threads": threads,
            "device": device,
            "torch": torch.__version__,
        }
        if profile:
            found["kernel_share"] = kernel_seconds(turns_of_ours) / statistics.median(one for one, _ in times)
        click.echo(json.dumps(found, indent=2))


def kernel_seconds(turns_of_ours: Iterator[float]) -> float:
    """Seconds of a turn in which a GPU computes, by PyTorch's profiler, which makes the turn itself longer."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        next(turns_of_ours)
    return sum(event.self_device_time_total for event in profiler.key_averages()) / 1e6


if __name__ == "__main__":
    main()
