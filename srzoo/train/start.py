"""Starting from a model that was trained before, for the same or another task."""

from __future__ import annotations

from dataclasses import dataclass

from srzoo import checkpoint
from srzoo.errors import TrainingError
from srzoo.model import SRModel
from srzoo.zoo import find_file


@dataclass(frozen=True)
class Start:
    """What a model took over from another's file."""

    source: str
    """The other model."""

    taken: int
    """How many of its weight tensors were taken."""

    fresh: tuple[str, ...]
    """Names of the tensors that stayed fresh: the file has none of that name and shape."""

    licence: str
    """Terms that its file states, which bind what is trained from it as well; empty where it states none."""


def take_start(model: SRModel, source: str) -> Start:
    """Put every weight of ``source`` that fits, by name and shape, into ``model``.

    Between scales the last convolutions do not fit; what a file left out, such as a posterior, stays fresh too.

    Args:
        model: What is to be trained.
        source: Name or path of a model file.

    Raises:
        CheckpointError: The file cannot be read.
        TrainingError: Nothing in it fits.
    """
    path = find_file(source)
    if path is None:
        raise TrainingError(f"{source} is an upscaler without weights of srzoo's; start from a model file")
    weights = checkpoint.read_weights(path)
    own = model.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    if not fitting:
        raise TrainingError(f"nothing in {source} fits the recipe's network; start from a model of the same preset")
    model.load_state_dict(fitting, strict=False)
    fresh = tuple(name for name in own if name not in fitting)
    return Start(source, len(fitting), fresh, str(checkpoint.read_header(path).get("licence", "")))
