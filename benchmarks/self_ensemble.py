"""What a self-ensemble adds: the fidelity models with a + behind their name, on the literature's sets.

python benchmarks/self_ensemble.py --data photos -o benchmarks/results/self-ensemble.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from ship_weights import test_sets

import srzoo
from srzoo.cost import count_macs, count_parameters, standard_size
from srzoo.files import write_atomically
from srzoo.self_ensemble import MARK

NAMES = ("large-fidelity", "reference-fidelity", "reference-x3", "reference-x2")
SETS = ("Set5", "Set14", "BSD100")


def scored(name: str, data: Path) -> dict[str, Any]:
    """Mean PSNR and SSIM on each set that is there at the model's scale, and what the model costs."""
    model = srzoo.load(name)
    there = test_sets(data, int(model.scale))
    means = {each: srzoo.evaluate(model, there[each]).mean for each in SETS if each in there}
    return {
        "model": name,
        "params": count_parameters(model),
        "macs": count_macs(model, standard_size(model.scale)),
        "scores": {each: {key: mean[key] for key in ("psnr_y", "ssim_y")} for each, mean in means.items()},
    }


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def main(data: Path, output: Path) -> None:
    """Score the models that ship for fidelity, each with its self-ensemble."""
    found = []
    for name in NAMES:
        found.append(scored(name + MARK, data))
        click.echo(json.dumps(found[-1]), err=True)
    write_atomically(output, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
