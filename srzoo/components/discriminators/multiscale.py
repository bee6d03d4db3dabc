"""Verdicts on patches at several sizes of the image."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo.contracts import Discriminator
from srzoo.layers import JudgeWidth, patch_judge
from srzoo.spec import Spec


class MultiScaleDiscriminator(Discriminator):
    """One patch discriminator for the image and one for each halving of it: texture and layout get their own judges.

    Source: Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: JudgeWidth = 32,
        levels: Annotated[int, Field(ge=1, le=5, description="strided levels of each judge")] = 2,
        scales: Annotated[int, Field(ge=1, le=5, description="judges; each sees half the size of the one before")] = 2,
    ) -> None:
        super().__init__()
        self.min_size = 2 ** (levels + 1 + scales)
        self.judges = nn.ModuleList(patch_judge(spec.channels, width, levels) for _ in range(scales))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) to one map of logits for each judge, fine to coarse."""
        image = image * 2 - 1
        logits = []
        for index, judge in enumerate(self.judges):
            if index:
                image = F.avg_pool2d(image, 2)
            logits.append(judge(image))
        return tuple(logits)
