"""Distances of two sets of images by what an Inception network sees in them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from srzoo.errors import UsageError
from srzoo.fetch import INCEPTION
from srzoo.library import hub_of, library
from srzoo.metrics.inputs import Pixels, byte_tensor, reference

if TYPE_CHECKING:
    import torch

ENOUGH = 1_000
"""Images below which the numbers say more about how many there are than about the model."""

_SUBSETS = 100
_SUBSET_SIZE = 1_000


class _InceptionMeasurer:
    """What both distances share: the network, and how many images there are."""

    name: str
    _metric: Any

    def __init__(self, device: torch.device | str) -> None:
        self._device = _device(device)
        self._count = 0

    @property
    def note(self) -> str:
        """A warning below `ENOUGH` images."""
        if self._count >= ENOUGH:
            return ""
        images = "image" if self._count == 1 else "images"
        return f"{self.name} over {self._count} {images}: below {ENOUGH:,} its bias is larger than most differences"

    def add(self, sr: Pixels, hr: Pixels) -> None:
        """See `srzoo.metrics.catalogue.SetMeasurer`."""
        import torch

        reference(self.name, sr, hr)
        with torch.inference_mode():
            self._metric.update(byte_tensor(hr, self._device), real=True)
            self._metric.update(byte_tensor(sr, self._device), real=False)
        self._count += 1

    def _check_count(self) -> None:
        if self._count < 2:
            raise UsageError(f"{self.name} is a distance of sets: it needs at least 2 images, got {self._count}")


class FrechetDistance(_InceptionMeasurer):
    """FID between SR and HR, whole images resized to 299x299 pixels as the first implementation did; 0 for equal sets.

    Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS
    2017. torchmetrics computes it, with torch-fidelity's network and without the antialiasing that it adds by default.

    Args:
        device: Where to compute.

    Raises:
        UsageError: torchmetrics or torch-fidelity is not installed.
        FetchError: The network's weights are not at hand.
    """

    name = "fid"

    def __init__(self, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        fid = library("torchmetrics.image.fid", self.name)
        self._metric = fid.FrechetInceptionDistance(feature=_network(self.name)).to(self._device)

    def result(self) -> float:
        """See `srzoo.metrics.catalogue.SetMeasurer`."""
        self._check_count()
        return float(self._metric.compute())


class KernelDistance(_InceptionMeasurer):
    """KID between SR and HR: the unbiased squared MMD of the features under a cubic polynomial kernel.

    Source: Binkowski et al., "Demystifying MMD GANs", ICLR 2018. Over the whole sets up to 1,000 images, else the mean
    over 100 subsets of 1,000, drawn the same way every time. It may be slightly below 0.

    Args and errors are those of `FrechetDistance`.
    """

    name = "kid"

    def __init__(self, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        kid = library("torchmetrics.image.kid", self.name)
        network = _network(self.name)
        with warnings.catch_warnings():  # that features are kept is what is wanted here
            warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save")
            self._metric = kid.KernelInceptionDistance(feature=network).to(self._device)

    def result(self) -> float:
        """See `srzoo.metrics.catalogue.SetMeasurer`."""
        import torch

        self._check_count()
        self._metric.subset_size = min(self._count, _SUBSET_SIZE)
        self._metric.subsets = _SUBSETS if self._count > _SUBSET_SIZE else 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return float(self._metric.compute()[0])


def _device(device: torch.device | str) -> torch.device:
    """The device itself, or the CPU in place of Apple's, which lacks the float64 that the statistics need."""
    import torch

    wanted = torch.device(device)
    return torch.device("cpu") if wanted.type == "mps" else wanted


def _network(metric: str) -> Any:
    """The Inception network with its weights, giving 2,048 features of a uint8 image of any size."""
    library("torch_fidelity", metric)
    fid = library("torchmetrics.image.fid", metric)
    with hub_of(INCEPTION):
        network = fid.NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"], antialias=False)
    network.num_features = 2048
    return network
