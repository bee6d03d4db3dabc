"""What does not fit is refused, and the message names who is concerned."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from torch import Tensor

from srzoo.assembly import build_model, build_upscaler
from srzoo.config import preset
from srzoo.contracts import Encoder, Latent, LatentOutput, PreEncoder
from srzoo.errors import AssemblyError, BrokenPluginError, OptionError, PartNotFoundError
from srzoo.registry import KINDS, PartRef, Registry, ResolvedPart
from srzoo.spec import Spec


class Falling(Encoder):
    """Its strides decrease."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.out_specs = (Spec(4, spec.stride * 4), Spec(4, spec.stride * 2))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return (features,)


class Silent(PreEncoder):
    """Does not say what it returns."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()

    def forward(self, image: Tensor) -> Tensor:
        return image


class Finer(Silent):
    """Enlarges first."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.out_spec = Spec(3, Fraction(1, 2))


class Crashing(Latent):
    """Fails while it is built."""

    def __init__(self, spec: Spec, target: Spec) -> None:
        super().__init__()
        raise ZeroDivisionError("no such\nlatent")

    def forward(self, features: Tensor, hr: Tensor | None = None, noise: Any = ()) -> LatentOutput:
        return LatentOutput(features)


class Levelless(Falling):
    """Has no levels."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.out_specs = ()


class WithFakes(Registry):
    """srzoo's parts, and this file's."""

    def resolve(self, kind: str, name: str) -> ResolvedPart:
        if name.startswith("fake:"):
            return ResolvedPart(PartRef(KINDS[kind], name[5:], "fake", "1.0", f"{__name__}:{name[5:]}"))
        return super().resolve(kind, name)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"encoder": "fake:Falling"}, AssemblyError, ["encoder fake:Falling", "4, 2", "pre-encoder srzoo:residual"]),
        ({"encoder": "fake:Levelless"}, BrokenPluginError, ["encoder fake:Levelless", "out_specs"]),
        ({"pre_encoder": "fake:Silent"}, BrokenPluginError, ["pre-encoder fake:Silent", "out_spec"]),
        ({"pre_encoder": "fake:Finer"}, AssemblyError, ["pre-encoder fake:Finer", "3ch x2"]),
        ({"latent": "fake:Crashing"}, BrokenPluginError, ["latent fake:Crashing", "48ch /2", "ZeroDivisionError"]),
        ({"decoder": {"heads": 7}}, AssemblyError, ["decoder srzoo:attn", "7 attention heads", "48 channels"]),
        ({"decoder": {"window": 1}}, OptionError, ["decoder srzoo:attn", "'window'", ">= 2"]),
        ({"encoder": {"widths": [8, 0]}}, OptionError, ["encoder srzoo:strided", "'widths'"]),
        ({"encoder": {"widths": [8] * 7}}, OptionError, ["encoder srzoo:strided", "'widths'"]),
        ({"encoder": {"widths": []}}, OptionError, ["encoder srzoo:strided", "'widths'"]),
        ({"decoder": {"widths": [0]}}, OptionError, ["decoder srzoo:attn", "'widths'"]),
        ({"pre_encoder": {"name": "conv", "widths": [-4]}}, OptionError, ["pre-encoder srzoo:conv", "'widths'"]),
        ({"encoder": {"block": 2}}, OptionError, ["encoder srzoo:strided", "'block'", "did you mean 'blocks'?"]),
        ({"pre_encoder": {"width": "wide"}}, OptionError, ["pre-encoder srzoo:residual", "'width'", "'wide'"]),
        ({"encoder": "stridde"}, PartNotFoundError, ["encoder 'stridde'", "did you mean 'strided'?"]),
        ({"base": "bicubik"}, PartNotFoundError, ["upscaler 'bicubik'", "did you mean 'bicubic'?"]),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    changes: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        build_model(preset("compact", changes), device="meta", registry=WithFakes())
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_an_upscaler_of_another_scale_is_refused() -> None:
    assert build_upscaler("bicubic", 3).scale == 3
    with pytest.raises(PartNotFoundError, match="did you mean 'bicubic'"):
        build_upscaler("bicubik", 3)
