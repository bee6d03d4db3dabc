"""No pre-encoder."""

from torch import Tensor

from srzoo.contracts import PreEncoder
from srzoo.spec import Spec


class IdentityPreEncoder(PreEncoder):
    """Hands the LR image on as it is."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.out_spec = spec

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to itself."""
        return image
