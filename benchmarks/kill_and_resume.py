"""Kill a training run at random moments, resume it each time, and compare it with one that was never disturbed.

Every other kill waits until a file of a checkpoint is being written. Both runs must end with the same bits: the models
of both stages, and the ledgers but for the columns that tell the time.

    python benchmarks/kill_and_resume.py --data photos --kills 30
"""

from __future__ import annotations

import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import click
from train_zoo import command

from srzoo.train.ledger import CLOCKS, read_ledger
from srzoo.train.record import LEDGER, UNITS

CHANGES = (
    "precision=float32", "save_every=10", "validate_every=100", "stages.fidelity.steps=300",
    "stages.adversarial.steps=60", 'stages.adversarial.prior={"perceptual": 0}',
    'stages.adversarial.posterior={"perceptual": 0}', "data.crop=16", "stages.adversarial.crop=16",
    "model.pre_encoder.blocks=1", 'data.train=["train/T91"]',
)  # fmt: skip
"""The recipe `compact` made small enough to be started dozens of times."""


def unfinished(folder: Path) -> set[Path]:
    """The files of a checkpoint that lie there under their temporary names."""
    return set(folder.glob(".checkpoint*.part"))


def disturb(line: list[str], folder: Path, longest: float, in_writing: bool, chance: random.Random) -> bool:
    """Start, wait for a random moment, kill. Returns whether the process was killed, or had ended before."""
    left = unfinished(folder)
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ends = time.monotonic() + chance.uniform(3, longest)
    while process.poll() is None:
        if time.monotonic() > ends and (not in_writing or unfinished(folder) - left):
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.0005 if in_writing and time.monotonic() > ends else 0.01)
    return False


def differing(whole: Path, parts: Path) -> list[str]:
    """Files in which two finished runs differ."""
    names = ["fidelity.safetensors", "adversarial.safetensors"]
    found = [name for name in names if (whole / name).read_bytes() != (parts / name).read_bytes()]
    for name in (LEDGER, UNITS):
        one, other = (
            [{key: text for key, text in row.items() if key not in CLOCKS} for row in read_ledger(folder / name)]
            for folder in (whole, parts)
        )
        found += [name] if one != other else []
    return found


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--kills", type=click.IntRange(1), default=30, show_default=True)
@click.option(
    "--longest", type=float, help="Seconds that a process lives at most.  [default: a third of the undisturbed run]"
)
@click.option("--seed", default=0, show_default=True, help="Seed of the moments.")
def main(data: Path, kills: int, longest: float | None, seed: int) -> None:
    """Print every kill, and whether what came of them is equal; a run that ends is followed by another."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as base:
        whole = Path(base, "whole")
        began = time.monotonic()
        subprocess.run(command("compact", data, whole, changes=CHANGES), check=True, stdout=subprocess.DEVNULL)
        took = time.monotonic() - began
        longest = longest or took / 3
        click.echo(f"undisturbed: {took:.0f} s; a process lives {longest:.0f} s at most")
        done = writing = runs = 0
        while done < kills:
            parts = Path(base, f"parts-{runs}")
            line = command("compact", data, parts, changes=CHANGES)
            while done < kills and disturb(line, parts, longest, done % 2 == 1, chance):
                writing += done % 2
                done += 1
                rows = len(read_ledger(parts / LEDGER)) if (parts / LEDGER).is_file() else 0
                click.echo(f"kill {done}{'' if done % 2 else ' in writing'}: {rows} rows in the ledger")
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
            runs += 1
            if found := differing(whole, parts):
                raise click.ClickException(f"run {runs} differs in {', '.join(found)}")
    ended = "1 run" if runs == 1 else f"{runs} runs"
    click.echo(f"{done} kills, {writing} of them while a checkpoint was being written: {ended} ended bit-equal")


if __name__ == "__main__":
    main()
