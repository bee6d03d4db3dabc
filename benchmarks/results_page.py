"""Tables of README.md and docs/results.md from what was measured: leaderboard, evidence, headers of the weights.

srzoo bench --json > benchmarks/results/leaderboard.json
python benchmarks/latent_evidence.py reference large --json > benchmarks/results/latent.json
python benchmarks/perception_evidence.py --data photos -o benchmarks/results/perception.json
python benchmarks/distribution_evidence.py --data photos -o benchmarks/results/distribution.json
python benchmarks/evidence_picture.py docs/images/evidence.png
python benchmarks/self_ensemble.py --data photos -o benchmarks/results/self-ensemble.json
python benchmarks/ablations.py train --data photos
python benchmarks/results_page.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import ablations
from self_ensemble import SETS as PUBLISHED_SETS

from srzoo import checkpoint, zoo
from srzoo.self_ensemble import MARK

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SETS = ("Set5", "Set14", "BSD100", "validation", "sample")
SCALES = (4, 3, 2)
TO_KNOW = ("large-fidelity", "reference-fidelity", "large", "reference", "compact-fidelity")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; numbers to the right."""
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def leaderboard() -> str:
    """The ranking on the embedded photos."""
    board = json.loads((RESULTS / "leaderboard.json").read_text())
    rows = [
        (
            f"`{row['model']}`",
            f"{row['psnr_y']:.2f}",
            f"{row['ssim_y']:.4f}",
            f"{row['lr_psnr']:.1f}",
            f"{row['params'] / 1e3:.0f}",
            f"{row['macs'] / 1e9:.1f}",
            f"{row['seconds']:.2f}",
        )
        for row in board["rows"]
    ]
    machine = board["environment"]
    note = (
        f"Five embedded photos; protocol `{board['protocol']['name']}` ({board['protocol']['hash']}), data "
        f"`{board['data']['fingerprint']}`. MACs and seconds for one LR image enlarged to 1280x720, on "
        f"{machine['device_name']}, {machine['threads']} threads, torch {machine['versions']['torch']}."
    )
    columns = ("model", "PSNR/dB", "SSIM", "LR-PSNR/dB", "params/K", "MACs/G", "seconds")
    return table(columns, rows) + "\n\n" + note


def headers() -> dict[str, dict[str, Any]]:
    """What every shipped file says of itself."""
    return {name: checkpoint.read_header(path) for name, path in zoo.shipped().items()}


def _cell(scores: dict[str, Any]) -> str:
    return f"{scores['psnr_y']:.2f} / {scores['ssim_y']:.4f}"


def literature(found: dict[str, dict[str, Any]], scale: int) -> str:
    """PSNR and SSIM of every shipped file of a scale on every set."""
    rows = [
        (f"`{name}`", *(_cell(header["scores"][each]) if each in header["scores"] else "" for each in SETS))
        for name, header in found.items()
        if header["config"]["scale"] == scale
    ]
    rows.sort(key=lambda row: row[2], reverse=True)
    return table(("model", *SETS), rows)


def standing(found: dict[str, dict[str, Any]]) -> str:
    """The models to know at x4, among published ones, by PSNR on Set5."""
    costs = {row["model"]: row for row in json.loads((RESULTS / "leaderboard.json").read_text())["rows"]}
    rows = [
        (f"**`{name}`**", costs[name], *(found[name]["scores"][each] for each in PUBLISHED_SETS)) for name in TO_KNOW
    ]
    rows += [
        (f"**`{row['model']}`**", row, *(row["scores"][each] for each in PUBLISHED_SETS))
        for row in self_ensembles()
        if row["model"].removesuffix(MARK) in TO_KNOW
    ]
    for row in json.loads((RESULTS / "published.json").read_text()):
        scores = ({"psnr_y": row[each][0], "ssim_y": row[each][1]} for each in PUBLISHED_SETS)
        rows.append((row["model"], row, *scores))
    rows.sort(key=lambda row: -row[2]["psnr_y"])
    return table(
        ("model", "params/K", "MACs/G", *PUBLISHED_SETS),
        (
            (
                name,
                f"{cost['params'] / 1e3:.0f}",
                f"{cost['macs'] / 1e9:.1f}" if cost["macs"] is not None else "",
                *map(_cell, scores),
            )
            for name, cost, *scores in rows
        ),
    )


def self_ensembles() -> list[dict[str, Any]]:
    """What was measured of models with a + behind their name."""
    found: list[dict[str, Any]] = json.loads((RESULTS / "self-ensemble.json").read_text())
    return found


def ensembled(found: dict[str, dict[str, Any]]) -> str:
    """Scores of self-ensembles, and what they are ahead of the model alone in dB."""

    def cell(row: dict[str, Any], name: str) -> str:
        if name not in row["scores"]:
            return ""
        alone = found[row["model"].removesuffix(MARK)]["scores"][name]["psnr_y"]
        return f"{_cell(row['scores'][name])} ({row['scores'][name]['psnr_y'] - alone:+.2f})"

    rows = ((f"`{row['model']}`", *(cell(row, name) for name in PUBLISHED_SETS)) for row in self_ensembles())
    return table(("model", *PUBLISHED_SETS), rows)


def perception() -> str:
    """The fidelity stage, the perceptual loss alone, and the whole, by what no loss looked at."""
    rows = [
        (
            row["set"],
            f"`{row['model']}`" + (", a sample" if row["temperature"] else ""),
            f"{row['psnr_y']:.2f}",
            f"{row['lr_psnr']:.1f}",
            f"{row['features_unused']:.4f}",
            f"{row['features_used']:.4f}",
            f"{row['features_other']:.4f}",
            f"{row['spectrum']:.2f}",
            f"{row['niqe']:.2f}",
        )
        for row in json.loads((RESULTS / "perception.json").read_text())
    ]
    features = ("unused features", "used features", "another network's")
    columns = ("set", "model", "PSNR, dB", "LR-PSNR, dB", *features, "spectrum, dB", "NIQE")
    return table(columns, rows)


def distribution() -> str:
    """How far all that a model makes is from all HR, and that in shares of what the fidelity stage is."""
    found = json.loads((RESULTS / "distribution.json").read_text())
    kinds = {"mean": "", "sample": ", a sample", "noise": ", the mean with noise"}
    fidelity = {row["set"]: row["mean"] for row in found if row["model"] == "fidelity"}
    maps = [key for key in found[0] if key.startswith("stride")]
    rows = (
        (
            row["set"],
            f"`{row['model']}`" + kinds[row["kind"]],
            *(f"{row[key]:.4f}" for key in (*maps, "mean")),
            f"{row['mean'] / fidelity[row['set']]:.2f}",
        )
        for row in found
    )
    strides = (f"stride {key.removeprefix('stride')}" for key in maps)
    return table(("set", "model", *strides, "mean", "of `fidelity`'s"), rows)


def contributions(budget: ablations.Budget) -> str:
    """By how much `compact` is ahead of itself with one thing changed."""
    return table(("what", "seeds", *(column.title for column in budget.columns)), ablations.rows(budget))


def latent() -> tuple[str, str]:
    """The evidence that the latent carries information, and that its samples say more than noise."""
    found = json.loads((RESULTS / "latent.json").read_text())
    carries = {
        "prior": "prior, dB", "posterior": "posterior, dB", "stranger": "another's, dB", "kl": "KL, nats",
        "spread_textured": "spread, textured", "spread_flat": "spread, flat",
    }  # fmt: skip
    says = {
        "lr_psnr": "LR-PSNR, dB", "diversity": "diversity", "noise_diversity": "noise's", "features": "features",
        "noise_features": "noise's", "calibration": "rank correlation", "calibration_ratio": "ratio",
    }  # fmt: skip
    return tuple(  # type: ignore[return-value]
        table(
            ("model", *names.values()),
            ((f"`{row['model']}`", *(f"{row[key]:.{3 if key in says else 2}f}" for key in names)) for row in found),
        )
        for names in (carries, says)
    )


def fill(path: Path, tables: dict[str, str]) -> None:
    """Put each table between its pair of markers."""
    text = path.read_text(encoding="utf-8")
    for name, content in tables.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda match, c=content: match[1] + c + "\n" + match[2], text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"{path} has {count} places for {name}")
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Fill both pages."""
    found = headers()
    carries, says = latent()
    fill(ROOT / "README.md", {"standing": standing(found)})
    fill(
        ROOT / "docs" / "results.md",
        {
            "leaderboard": leaderboard(),
            **{f"x{scale}": literature(found, scale) for scale in SCALES},
            "ensembled": ensembled(found),
            "contributions": contributions(ablations.OWN),
            "long": contributions(ablations.GPU),
            "perception": perception(),
            "distribution": distribution(),
            "latent": carries,
            "samples": says,
        },
    )


if __name__ == "__main__":
    main()
