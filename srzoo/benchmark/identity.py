"""What decides a result: the model down to its weights, and the machine down to its libraries."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from srzoo.benchmark.store import digest_of
from srzoo.checkpoint import distributions, kept_weights
from srzoo.model import Model, SRModel


def model_digest(model: Model) -> str:
    """12 hexadecimal digits that change with a model's parts, their options and versions, or its weights.

    What only training looks at, the discriminator and a posterior, does not count.
    """
    network = model.network
    weights = kept_weights(network) if isinstance(network, SRModel) else network.state_dict()
    sha = hashlib.sha256()
    for name, value in sorted(weights.items()):
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    config = network_config(model.config)
    return digest_of({"config": config, "versions": distributions(config), "weights": sha.hexdigest()})


def network_config(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the discriminator, which use does not need."""
    return {key: value for key, value in config.items() if key != "discriminator"}


def environment(device: torch.device) -> dict[str, Any]:
    """What seconds and memory depend on beside the model: device, threads and library versions."""
    versions = {name: metadata.version(name) for name in ("srzoo", "torch")}
    return {
        "device": str(device),
        "device_name": _device_name(device),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **versions},
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
