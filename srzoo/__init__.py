"""srzoo: a zoo of image super-resolution models from interchangeable parts.

The public names are imported when first used, so that ``import srzoo`` itself needs nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srzoo.api import available as available
    from srzoo.api import bench as bench
    from srzoo.api import build as build
    from srzoo.api import evaluate as evaluate
    from srzoo.checkpoint import save_model as save
    from srzoo.zoo import load as load

    __version__: str

_WHERE = {
    "available": "srzoo.api:available",
    "bench": "srzoo.api:bench",
    "build": "srzoo.api:build",
    "evaluate": "srzoo.api:evaluate",
    "load": "srzoo.zoo:load",
    "save": "srzoo.checkpoint:save_model",
}

__all__ = ["__version__", "available", "bench", "build", "evaluate", "load", "save"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("srzoo")
    if name not in _WHERE:
        raise AttributeError(f"module 'srzoo' has no attribute {name!r}")
    module, _, function = _WHERE[name].partition(":")
    return getattr(import_module(module), function)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
