"""Pre-encoders that are each broken in one way; what they break holds for every network."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import save_file
from sound_parts import Plain, Width
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.contracts import PreEncoder
from srzoo.spec import Spec


class NoPart(nn.Module):
    """Extends nothing of srzoo's."""


class Undescribed(PreEncoder):
    forward = Plain.forward  # type: ignore[assignment]

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.out_spec = Spec(4)
        self.layer = nn.Conv2d(spec.channels, 4, 3, 1, 1)


class NeedsWidth(Plain):
    def __init__(self, spec: Spec, *, width: Width) -> None:
        super().__init__(spec, width=width)


class WidthBeforeStar(Plain):
    def __init__(self, spec: Spec, width: Width = 4) -> None:
        super().__init__(spec, width=width)


class SwallowsOptions(Plain):
    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(spec)


class ListForTuple(Plain):
    """A default that comes back from JSON as something else."""

    def __init__(
        self,
        spec: Spec,
        *,
        widths: Annotated[list[int], Field(description="channels")] = (4,),  # type: ignore[assignment]
    ) -> None:
        super().__init__(spec)


class OneTooMany(Plain):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.out_spec = Spec(5)


class NeedsTwo(Plain):
    """Works where height and width are even, which it does not declare."""

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(F.avg_pool2d(self.layer(image), 2), scale_factor=2)


class WritesIntoInput(Plain):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image.sub_(0.5))


class Counts(Plain):
    calls = 0

    def forward(self, image: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(image) + self.calls


class LooksAtNeighbours(Plain):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image - image.mean(0, keepdim=True))


class Unused(Plain):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.spare = nn.Linear(3, 3)


class NoSuchCodebook(Plain):
    without_gradient = ("codebook",)


class Forgets(Plain):
    """Keeps a drawn tensor where no state sees it."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.shift = torch.rand(1)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image) + self.shift.to(image.device)


class LeavesTooMuchOut(Plain):
    """Says that only training needs what use needs as well."""

    training_only = ("layer",)


class CountsSteps(Plain):
    """For a schedule to come."""

    steps = 0

    def forward(self, image: Tensor) -> Tensor:
        self.steps += self.training
        return self.layer(image)


class DrawsGlobally(Plain):
    def forward(self, image: Tensor) -> Tensor:
        np.random.rand()
        return self.layer(image)


class WritesFiles(Plain):
    def forward(self, image: Tensor) -> Tensor:
        Path("log.txt").write_text("called")
        return self.layer(image)


class SavesPastPython(Plain):
    """Writes by a compiled module, which Python knows nothing of."""

    def forward(self, image: Tensor) -> Tensor:
        save_file({"image": image.contiguous()}, "cache.safetensors")
        return self.layer(image)


class Prints(Plain):
    def forward(self, image: Tensor) -> Tensor:
        print("called")
        return self.layer(image)


class PhonesHome(Plain):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        with suppress(OSError), socket.socket() as line:
            line.connect(("127.0.0.1", 9))


class NeedsRows(Plain):
    """Takes for granted that a row lies in memory as one piece."""

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image.view(image.shape[0], -1).view(image.shape))


class NeedsFloat32(Plain):
    def forward(self, image: Tensor) -> Tensor:
        result = self.layer(image)
        return (
            torch.zeros_like(image[:, :1])
            .repeat(1, 4, 1, 1)
            .index_copy_(1, torch.arange(4, device=image.device), result)
        )


class LooksAtValues(Plain):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image) if image.max().item() < 9 else image


class Branches(Plain):
    """Does what its values say, except where there are none."""

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image) if image.is_meta or image.max() < 9 else image


BROKEN: list[tuple[str, type, str]] = [
    ("pre_encoder", NoPart, "imports"),
    ("pre_encoder", Undescribed, "described"),
    ("pre_encoder", NeedsWidth, "default_constructible"),
    ("pre_encoder", WidthBeforeStar, "options"),
    ("pre_encoder", SwallowsOptions, "options"),
    ("pre_encoder", ListForTuple, "options"),
    ("pre_encoder", OneTooMany, "specs"),
    ("pre_encoder", NeedsTwo, "sizes"),
    ("pre_encoder", WritesIntoInput, "inputs_untouched"),
    ("pre_encoder", Counts, "deterministic"),
    ("pre_encoder", LooksAtNeighbours, "batch_independent"),
    ("pre_encoder", Unused, "gradients"),
    ("pre_encoder", NoSuchCodebook, "gradients"),
    ("pre_encoder", Forgets, "state"),
    ("pre_encoder", LeavesTooMuchOut, "state"),
    ("pre_encoder", CountsSteps, "counters"),
    ("pre_encoder", DrawsGlobally, "chance"),
    ("pre_encoder", WritesFiles, "files"),
    ("pre_encoder", SavesPastPython, "files"),
    ("pre_encoder", Prints, "prints"),
    ("pre_encoder", PhonesHome, "network"),
    ("pre_encoder", NeedsRows, "channels_last"),
    ("pre_encoder", NeedsFloat32, "bfloat16"),
    ("pre_encoder", LooksAtValues, "meta"),
    ("pre_encoder", Branches, "exports"),
]
"""A part that is broken in one way, and the check that is to find it before any other does."""
