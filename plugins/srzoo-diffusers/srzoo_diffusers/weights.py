"""Weights from a folder in diffusers' format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from srzoo.errors import OptionError

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"

_CLASSES = ("AutoencoderKL", "VQModel")
"""Autoencoders whose encoder, latent and decoder are those of this plugin."""

_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""What the attention's layers were called in files such as those of Stable Diffusion 1."""


class Folder:
    """An autoencoder that diffusers has saved; nothing is downloaded.

    Args:
        path: The folder.
        owner: The part that asks, such as ``encoder diffusers``, for messages.

    Raises:
        OptionError: There is none, it is damaged, or it is of another network.
    """

    def __init__(self, path: str, owner: str) -> None:
        self._owner = owner
        self._path = folder = Path(path).expanduser()
        for name in (CONFIG, WEIGHTS):
            if not (folder / name).is_file():
                raise self._refuse(f"has no {name}: name a folder that an autoencoder was saved to by save_pretrained")
        try:
            self.config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            found = self.config.get("_class_name")
            weights = load_file(folder / WEIGHTS, device="cpu")
        except (SafetensorError, OSError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise self._refuse(f"cannot be read ({reason}): copy or download it again") from error
        if found not in _CLASSES:
            raise self._refuse(f"holds {found or 'something else'}: name that of {' or '.join(_CLASSES)}")
        self._weights: Mapping[str, Tensor] = {_renamed(name): value for name, value in weights.items()}

    def _refuse(self, problem: str) -> OptionError:
        kind = self._owner.split()[0]
        return OptionError(f"{self._owner}: {kind}.pretrained={self._path} {problem}")

    def require(self, **options: tuple[str, Any, Any]) -> None:
        """Refuse options under which the weights would mean something else.

        Args:
            **options: By name of the option, its counterpart in the folder's configuration with diffusers' default, and
                the option's value. Of lists, the shorter must be the beginning of the other.

        Raises:
            OptionError: One differs.
        """
        for name, (key, default, value) in options.items():
            found = self.config.get(key)
            wanted = default if found is None else found
            if isinstance(value, tuple):
                least = min(len(value), len(wanted))
                if list(value[:least]) == list(wanted[:least]):
                    continue
                text = ",".join(map(str, wanted))
            elif value == wanted:
                continue
            else:
                text = json.dumps(wanted)
            kind = self._owner.split()[0]
            raise self._refuse(f"was made with another {key}: set {kind}.{name}={text}")

    def fill(self, **modules: nn.Module) -> list[str]:
        """Put weights into every layer that is in the folder under the same name and with the same shapes.

        Args:
            **modules: By beginning of their names in the folder, with ``__`` for a dot.

        Returns:
            Names of the layers that were filled, as in the folder.

        Raises:
            OptionError: There is no such layer.
        """
        filled, there = [], self._weights
        for beginning, module in modules.items():
            for name, layer in module.named_modules(prefix=beginning.replace("__", ".")):
                own = {f"{name}.{key}": value for key, value in layer.named_parameters(recurse=False)}
                if own and all(key in there and there[key].shape == value.shape for key, value in own.items()):
                    with torch.no_grad():
                        for key, value in own.items():
                            value.copy_(there[key])
                    filled.append(name)
        if not filled:
            raise self._refuse("has no weights that fit: compare its config.json with the part's options")
        return filled


def _renamed(name: str) -> str:
    return ".".join(_OLD_NAMES.get(step, step) if ".attentions." in name else step for step in name.split("."))
