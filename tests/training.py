"""What tests of training share: a tiny recipe, photos for it, and the command."""

from __future__ import annotations

import subprocess
from pathlib import Path

from command import srzoo
from PIL import Image

from srzoo.data.pairs import sample_pairs
from srzoo.train.ledger import CLOCKS, read_ledger

RECIPE = """
precision = "float32"
validate_every = 4
save_every = 2

[model]
scale = 2
pre_encoder = { name = "residual", width = 8, blocks = 1 }
encoder = { name = "strided", widths = [8], blocks = 1 }
latent = { name = "conditional", channels = 2, width = 8 }
decoder = { name = "attn", widths = [8, 8], blocks = 1, fine_width = 4, window = 4, heads = 2 }
discriminator = { name = "unet", width = 4, levels = 2 }

[data]
train = ["train"]
validation = "validation"
crop = 8
batch = 4

[[stages]]
name = "fidelity"
steps = 6
prior = { l1 = 1.0 }
posterior = { l1 = 1.0, kl = 0.01 }

[[stages]]
name = "adversarial"
steps = 4
temperature = 1.0
posterior_share = 0.5
prior = { hinge = 0.1, consistency = 1.0 }
posterior = { l1 = 1.0, hinge = 0.1, kl = 0.01 }
"""


def write_photos(root: Path) -> Path:
    """Crops of the embedded photos as a data folder."""
    for name, side in (("train", 96), ("validation", 64)):
        (root / name).mkdir()
        for pair in sample_pairs(2)[:3]:
            Image.fromarray(pair.hr[40 : 40 + side, 60 : 60 + side]).save(root / name / f"{pair.name}.png")
    return root


def train(recipe: Path, photos: Path, folder: Path, *more: object) -> subprocess.CompletedProcess[str]:
    """Run ``srzoo train`` on one thread."""
    return srzoo("train", recipe, "--data", photos, "--output", folder, "--threads", 1, *more)


def numbers(path: Path) -> list[dict[str, str]]:
    """A ledger without the columns that tell the time."""
    return [{name: text for name, text in row.items() if name not in CLOCKS} for row in read_ledger(path)]
