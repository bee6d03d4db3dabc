"""Train everything that ships: the reference, its ablations and the narrow seed, by one recipe and one budget.

Runs as many recipes side by side as asked for, resumes what was interrupted, and skips what is done. The perceptual
ablation starts from the reference's fidelity stage, since the two share it.

    python benchmarks/train_zoo.py --data photos --runs runs --jobs 2
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import click

RECIPES = (
    "reference",
    "ablation-no-vae",
    "ablation-no-skips",
    "ablation-no-attention",
    "ablation-gaussian",
    "ablation-no-base",
    "ablation-no-pre-encoder",
    "ablation-resnet",
    "ablation-no-discriminator",
    "ablation-deconv",
    "ablation-dense",
    "seed-narrow",
)
"""In the order in which they are trained."""

FINISHED = {"ablation-no-discriminator": "perceptual.safetensors"}


def finished(name: str, runs: Path) -> Path:
    """The file that a run leaves when it is through."""
    return runs / name / FINISHED.get(name, "adversarial.safetensors")


def command(name: str, data: Path, runs: Path, threads: int) -> list[str]:
    """How one recipe is trained."""
    folder = runs / name
    line = [sys.executable, "-m", "srzoo", "train", name, "--data", str(data), "--output", str(folder)]
    if (folder / "checkpoint.safetensors").is_file():
        line.append("--resume")
    elif name == "ablation-no-discriminator":
        line += ["--from", str(runs / "reference" / "fidelity.safetensors")]
    return [*line, "--threads", str(threads)]


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Recipes at a time.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of each.")
@click.argument("names", nargs=-1)
def main(data: Path, runs: Path, jobs: int, threads: int, names: tuple[str, ...]) -> None:
    """Train NAMES, or everything that ships."""
    waiting = [name for name in names or RECIPES if not finished(name, runs).is_file()]
    running: dict[str, subprocess.Popen[bytes]] = {}
    failed: list[str] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop(0)
            (runs / name).mkdir(parents=True, exist_ok=True)
            with (runs / name / "log.txt").open("ab") as log:
                running[name] = subprocess.Popen(command(name, data, runs, threads), stdout=log, stderr=log)
            click.echo(f"started {name}")
        ended = [name for name, process in running.items() if process.poll() is not None]
        for name in ended:
            code = running.pop(name).returncode
            click.echo(f"{name} ended with {code}")
            if code:
                failed.append(name)
        if not ended:
            time.sleep(2)
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}; see log.txt in their folders")


if __name__ == "__main__":
    main()
