"""Devices, processes and precision: Lightning Fabric as training uses it."""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from srzoo.errors import TrainingError
from srzoo.train.precision import FABRIC, usable_precision
from srzoo.train.recipe import Precision


class ImagePrecision(MixedPrecision):
    """Autocast that leaves what the network is handed as it is: bfloat16 does not hold 256 grey levels."""

    def convert_input(self, data: Any) -> Any:
        """``data`` itself."""
        return data


def start_engine(device: torch.device, wanted: Precision) -> tuple[Fabric, Precision]:
    """Fabric on one device, or on every process's own where `torchrun` started several.

    Args:
        device: Where to compute; the kind alone counts where there are several processes.
        wanted: Arithmetic that the recipe asks for.

    Returns:
        Fabric, launched, and the arithmetic that it does.

    Raises:
        TrainingError: The processes cannot share the work on that device.
    """
    precision = usable_precision(wanted, device)
    processes, here = int(os.environ.get("WORLD_SIZE", "1")), processes_here()
    plugins: list[Any] = []
    if precision != "float32":
        plugins.append(ImagePrecision(FABRIC[precision], device.type))  # type: ignore[arg-type]
    if processes == 1:
        plugins.append(LightningEnvironment())  # or else a job of Slurm's is taken for a part of this run
    given: dict[str, Any] = {"accelerator": device.type, "plugins": plugins}
    if processes == 1:
        devices: Any = 1 if device.index is None else [device.index]
        fabric = Fabric(devices=devices, **given)
    else:
        if device.type == "mps":
            raise TrainingError("mps computes in one process alone; start srzoo train without torchrun")
        if device.type == "cuda" and here > torch.cuda.device_count():
            raise TrainingError(
                f"{here} processes on a machine with {torch.cuda.device_count()} GPUs; "
                "start torchrun with --nproc-per-node=gpu"
            )
        strategy = DDPStrategy(find_unused_parameters=True)  # the posterior rests while the prior is decoded
        fabric = Fabric(devices=here, num_nodes=processes // here, strategy=strategy, **given)
    fabric.launch()
    if fabric.device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # what is left in float32 need not be exact to the last bits
    return fabric, precision


def average_over_processes(fabric: Fabric, values: torch.Tensor) -> torch.Tensor:
    """Mean of a tensor over all processes."""
    if fabric.world_size == 1:
        return values
    reduced = fabric.all_reduce(values, reduce_op="mean")
    assert isinstance(reduced, torch.Tensor)
    return reduced


def gather_over_processes(fabric: Fabric, value: Any) -> list[Any]:
    """What each process has, in every process."""
    if fabric.world_size == 1:
        return [value]
    gathered = [None] * fabric.world_size
    torch.distributed.all_gather_object(gathered, value)
    return gathered


def processes_here() -> int:
    """How many processes of this run share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
