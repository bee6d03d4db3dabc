"""R1 and its gradient, as training computes them, against PyTorch's own second derivative of convolutions.

Both take turns, so that what else the machine does hits both.

    python benchmarks/r1_speed.py --threads 1
    python benchmarks/r1_speed.py --device cuda --batch 16
"""

from __future__ import annotations

import json
import statistics
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click
import torch

from srzoo.assembly import build_discriminator
from srzoo.config import preset
from srzoo.train.step import gradient_penalty
from srzoo.train.twice import DifferentiableTwice


@click.command()
@click.option("--preset", "name", default="reference", show_default=True, help="Whose discriminator.")
@click.option("--side", type=click.IntRange(1), default=192, show_default=True, help="Side of a crop in pixels.")
@click.option("--batch", type=click.IntRange(1), default=4, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--turns", type=click.IntRange(1), default=7, show_default=True)
def main(name: str, side: int, batch: int, threads: int, device: str, turns: int) -> None:
    """Print medians over turns, in bfloat16, as JSON."""
    torch.set_num_threads(threads)
    discriminator = build_discriminator(preset(name), seed=0).to(device, memory_format=torch.channels_last)
    real = torch.rand(batch, 3, side, side, device=device).to(memory_format=torch.channels_last).requires_grad_()

    def turn(mode: AbstractContextManager[Any]) -> float:
        began = time.perf_counter()
        with torch.autocast(real.device.type, torch.bfloat16), mode:
            logits = discriminator(real)
        gradient_penalty(tuple(each.float() for each in logits), real).backward()
        if real.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - began

    times = [(turn(DifferentiableTwice()), turn(nullcontext())) for _ in range(turns + 1)][1:]
    found = {
        "srzoo_seconds": statistics.median(one for one, _ in times),
        "pytorch_seconds": statistics.median(other for _, other in times),
        "ratio_median": statistics.median(other / one for one, other in times),
        "ratio_least": min(other / one for one, other in times),
        "threads": threads,
        "device": device,
        "torch": torch.__version__,
    }
    click.echo(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
