"""Tables of README.md and docs/results.md from what was measured: a leaderboard, and the headers of the weights.

srzoo bench --json > benchmarks/results/leaderboard.json
python benchmarks/latent_evidence.py reference --json > benchmarks/results/latent.json
python benchmarks/results_page.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from srzoo import checkpoint, zoo

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SETS = ("Set5", "Set14", "validation", "sample")
WHAT = {
    "ablation-no-skips": "skips",
    "ablation-no-attention": "self-attention",
    "ablation-no-vae": "the conditional latent, against none",
    "ablation-gaussian": "the conditional latent, against one that sees LR alone",
    "ablation-no-pre-encoder": "the pre-encoder",
    "ablation-no-base": "the residual over bicubic",
    "ablation-resnet": "`strided` for `resnet` as encoder",
    "ablation-deconv": "`attn` for `deconv` as decoder",
    "ablation-dense": "`attn` for `dense` as decoder",
}


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


def literature(found: dict[str, dict[str, Any]]) -> str:
    """PSNR and SSIM of every shipped file on every set."""
    rows = [(f"`{name}`", *(_cell(header["scores"][each]) for each in SETS)) for name, header in found.items()]
    rows.sort(key=lambda row: row[2], reverse=True)
    return table(("model", *SETS), rows)


def contributions(found: dict[str, dict[str, Any]], scores: Callable[[str], dict[str, Any]]) -> str:
    """By how much the reference is ahead of each ablation at the same stage."""
    own = scores("reference")
    rows = [
        (
            what,
            *(f"{own[each]['psnr_y'] - scores(name)[each]['psnr_y']:+.3f}" for each in SETS),
            f"{scores(name)['validation']['feature_distance'] - own['validation']['feature_distance']:+.4f}",
        )
        for name, what in WHAT.items()
        if name in found
    ]
    return table(("what", *(f"{each}, dB" for each in SETS), "feature distance saved"), rows)


def stages(found: dict[str, dict[str, Any]]) -> str:
    """The fidelity stage, the perceptual loss alone, and the whole."""
    rows = []
    for name in ("reference-fidelity", "ablation-no-discriminator", "reference"):
        own = found[name]["scores"]
        rows.append(
            (
                f"`{name}`",
                *(f"{own[each]['psnr_y']:.2f}" for each in SETS),
                *(f"{own[each]['feature_distance']:.4f}" for each in ("validation", "sample")),
                f"{own['validation']['lr_psnr']:.1f}",
            )
        )
    columns = ("model", *(f"{each}, dB" for each in SETS), "features, validation", "features, sample", "LR-PSNR, dB")
    return table(columns, rows)


def latent() -> str:
    """The evidence that the latent carries information."""
    rows = [
        (f"`{row['model']}`", *(f"{value:.2f}" for key, value in row.items() if key != "model"))
        for row in json.loads((RESULTS / "latent.json").read_text())
    ]
    columns = ("model", "prior, dB", "posterior, dB", "another's, dB", "KL, nats", "spread, textured", "spread, flat")
    return table(columns, rows)


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

    def fidelity(name: str) -> dict[str, Any]:
        return found[name]["fidelity_scores"]

    fill(ROOT / "README.md", {"leaderboard": leaderboard()})
    fill(
        ROOT / "docs" / "results.md",
        {
            "leaderboard": leaderboard(),
            "literature": literature(found),
            "contributions-fidelity": contributions(found, fidelity),
            "contributions-final": contributions(found, lambda name: found[name]["scores"]),
            "stages": stages(found),
            "latent": latent(),
        },
    )


if __name__ == "__main__":
    main()
