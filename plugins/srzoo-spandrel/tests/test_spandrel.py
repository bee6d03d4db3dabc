"""A checkpoint gives the image that spandrel itself gives, or is refused in one line."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
import torch
from PIL import Image
from spandrel import Architecture, ImageModelDescriptor, MaskedImageModelDescriptor, ModelLoader
from srzoo_spandrel.checkpoint import refusal
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import srzoo
from srzoo.benchmark.identity import model_digest
from srzoo.cost import count_macs, count_parameters
from srzoo.errors import AssemblyError, CheckpointError, SrzooError, UsageError


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def opened(path: Path) -> Any:
    """The checkpoint as spandrel itself opens it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ModelLoader().load_from_file(path)


def test_esrgan_of_the_newer_layout_is_the_network_that_was_saved(folder: Path) -> None:
    torch.manual_seed(0)
    network = networks.RRDBNet().eval()
    networks.save(network.state_dict(), folder / "4x.pth", "params_ema")
    model = srzoo.load("spandrel/4x.pth")
    lr = noise(2, 3, 13, 18)
    with torch.no_grad():
        torch.testing.assert_close(model(lr).sr, network(lr).clamp(0, 1), atol=1e-5, rtol=0)
    assert (model.scale, model.trained, model.training) == (4, True, False)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_the_image_is_spandrels_own(folder: Path, name: str) -> None:
    suffix, nesting = {0: (".pth", "params_ema"), 1: (".safetensors", ""), 2: (".ckpt", "state_dict")}[len(name) % 3]
    path = networks.save(networks.weights(name), folder / f"{name}{suffix}", nesting)
    model, direct = srzoo.load(f"spandrel/{path.name}"), opened(path)
    for size in ((37, 45), (5, 3)):
        lr = noise(2, 3, *size)
        with torch.no_grad():
            sr = model(lr).sr
        assert sr.shape == (2, 3, size[0] * direct.scale, size[1] * direct.scale)
        torch.testing.assert_close(sr, torch.cat([direct(each) for each in lr.split(1)]), atol=1e-5, rtol=0)
        assert sr.std() > 1e-3  # an image that is all black or white would show nothing
    assert count_parameters(model) == sum(each.numel() for each in direct.model.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        direct.model(noise(1, 3, 48, 64))
    assert count_macs(model, (48, 64)) == counter.get_total_flops() // 2 > 0


@pytest.mark.parametrize("name", ["esrgan", "span", "swinir", "hat", "dat", "plksr", "real-cugan", "real-plksr"])
def test_tiles_agree_with_the_whole(folder: Path, name: str) -> None:
    networks.save(networks.weights(name), folder / "x.pth")
    model = srzoo.load("spandrel/x.pth")
    lr = noise(1, 3, 40, 150)
    # Statistics over the whole image are the one thing that tiles cannot know.
    tolerance = 0.5 / 255 if name.startswith("real") else 0.05 / 255
    difference = (model.upscale(lr) - model.upscale(lr, tile=61)).abs().max()
    assert difference < tolerance


@pytest.mark.parametrize("prefix", ["", "module."])
def test_half_precision_and_prefixes_change_nothing(folder: Path, prefix: str) -> None:
    half = {prefix + key: value.half().float() for key, value in networks.weights("compact").items()}
    networks.save(half, folder / "single.pth")
    networks.save({key: value.half() for key, value in half.items()}, folder / "half.pt")
    lr = noise(1, 3, 9, 8)
    first, second = (srzoo.load(f"spandrel/{name}").upscale(lr) for name in ("single.pth", "half.pt"))
    assert first.dtype == torch.float32
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", ["mit Leerzeichen.pth", "日本語/é.pth", "C:\\x.pth", "a:b.pth"])
def test_any_path_will_do(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    networks.save(networks.weights("compact"), path)
    for text in (name, str(path), f"./{name}"):
        assert srzoo.load(f"spandrel/{text}").scale == 3
        assert srzoo.load(f"srzoo-spandrel:spandrel/{text}", 3).config["upscaler"]["variant"] == text


def test_a_network_that_draws_noise_draws_the_same(folder: Path) -> None:
    networks.save(networks.aura(), folder / "aura.pth")
    model = srzoo.load("spandrel/aura.pth")
    lr, before = noise(1, 3, 16, 24), torch.get_rng_state()
    assert torch.equal(model.upscale(lr), model.upscale(lr))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_that_keeps_the_size_restores(folder: Path) -> None:
    networks.save(networks.restorer(), folder / "1x.pth")
    model = srzoo.load("spandrel/1x.pth")
    assert model.scale == 1
    assert model.upscale(noise(3, 7, 9)).shape == (3, 7, 9)


def test_what_is_no_upscaler_of_photos_is_refused(folder: Path) -> None:
    networks.save(networks.gray(), folder / "gray.pth")
    with pytest.raises(UsageError, match=r"gray\.pth is a .*Compact network for images of 1 to 1 channels, not of RGB"):
        srzoo.load("spandrel/gray.pth")

    class Filler(Architecture[nn.Conv2d]):
        def load(self, state_dict: Any) -> Any:
            raise NotImplementedError

    layer = nn.Conv2d(4, 3, 1)
    facts: dict[str, Any] = {
        "model": layer,
        "state_dict": layer.state_dict(),
        "architecture": Filler(id="Filler", detect=lambda _: True),
        "tags": [],
        "supports_half": True,
        "supports_bfloat16": True,
        "input_channels": 3,
        "output_channels": 3,
    }
    masked: Any = MaskedImageModelDescriptor(purpose="Inpainting", **facts)
    face: Any = ImageModelDescriptor(purpose="FaceSR", scale=4, **facts)
    assert "Filler network for inpainting, which wants a mask" in refusal(masked)
    assert "faces" in refusal(face)


def test_what_cannot_be_opened_is_told_in_one_line(folder: Path) -> None:
    networks.save(networks.weights("compact"), folder / "good.pth")
    (folder / "cut.pth").write_bytes((folder / "good.pth").read_bytes()[:1000])
    (folder / "cut.safetensors").write_bytes(b"\x10")
    (folder / "empty.ckpt").write_bytes(b"")
    torch.save({"conv.weight": torch.zeros(1)}, folder / "unknown.pth")
    torch.save([torch.zeros(1)], folder / "list.pt")
    state = networks.weights("compact")
    torch.save({**state, "body.0.weight": torch.zeros(5, 3, 3, 3)}, folder / "odd.pth")
    cases: dict[str, tuple[type[SrzooError], str]] = {
        "": (UsageError, "names no variant: write spandrel/VARIANT"),
        "goood.pth": (UsageError, r"does not exist \(did you mean 'good.pth'\?\): check the path"),
        "good.bin": (UsageError, "none of the files that are opened: .pth"),
        "cut.pth": (CheckpointError, r"cannot be read as a checkpoint .*: copy or download it again"),
        "cut.safetensors": (CheckpointError, "cannot be read as a checkpoint"),
        "empty.ckpt": (CheckpointError, "cannot be read as a checkpoint"),
        "unknown.pth": (CheckpointError, "knows no network of these weights"),
        "list.pt": (CheckpointError, "holds no weights by name"),
        "odd.pth": (CheckpointError, "do not make a whole network"),
    }
    for name, (kind, message) in cases.items():
        with pytest.raises(kind, match=message) as caught:
            srzoo.load(f"spandrel/{name}")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    with pytest.raises(UsageError, match=r"needs a checkpoint: write spandrel/PATH"):
        srzoo.load("spandrel")
    with pytest.raises(AssemblyError, match=r"spandrel/good.pth enlarges x3, not x4: ask for scale 3"):
        srzoo.load("spandrel/good.pth", 4)


class Bomb:
    """Unpickling it writes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("exploded"),)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
def test_a_pickle_is_never_run(folder: Path, suffix: str) -> None:
    torch.save({"params": networks.weights("compact"), "bomb": Bomb()}, folder / f"bomb{suffix}")
    with pytest.raises(CheckpointError, match="holds more than weights, which is never run"):
        srzoo.load(f"spandrel/bomb{suffix}")
    assert not Path("exploded").exists()


def test_a_program_of_torchscript_is_not_run(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is out of fashion, yet such files go round
        torch.jit.save(torch.jit.trace(nn.Conv2d(3, 3, 1), torch.zeros(1, 3, 4, 4)), folder / "program.pt")
    with pytest.raises(CheckpointError, match=r"it is a program; save the network's state_dict\(\) instead"):
        srzoo.load("spandrel/program.pt")


def test_results_belong_to_the_weights(folder: Path) -> None:
    state = networks.weights("plksr")
    pixels = np.random.default_rng(0).integers(0, 255, (96, 80, 3), dtype=np.uint8)
    (folder / "data").mkdir()
    Image.fromarray(pixels).save(folder / "data" / "0.png")

    def measured() -> Any:
        return srzoo.bench(["bicubic", "spandrel/4x.pth"], "data", results="results")

    networks.save(state, folder / "4x.pth")
    first, again = measured(), measured()
    scores = srzoo.evaluate("spandrel/4x.pth", "data").mean
    assert scores["psnr_y"] == first.set_index("model").loc["spandrel/4x.pth", "psnr_y"]
    assert first.attrs["failed"] == [] and not first.attrs["reused"]
    assert set(first["model"]) == {"bicubic", "spandrel/4x.pth"}
    assert again.attrs["reused"] == {name: ["quality", "cost"] for name in ("bicubic", "spandrel/4x.pth")}
    digest = model_digest(srzoo.load("spandrel/4x.pth"))
    networks.save({key: value * 1.01 for key, value in state.items()}, folder / "4x.pth")
    assert list(measured().attrs["reused"]) == ["bicubic"]
    assert model_digest(srzoo.load("spandrel/4x.pth")) != digest


def test_the_command_line_takes_a_checkpoint(folder: Path) -> None:
    path = networks.save(networks.weights("plksr"), folder / "my 4x.pth")
    pixels = np.random.default_rng(0).integers(0, 255, (40, 28, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "in.png")
    command = [sys.executable, "-m", "srzoo", "upscale", "in.png", "out.png", "--model", f"spandrel/{path}"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    lr = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    wanted = (opened(path)(lr)[0].permute(1, 2, 0) * 255).round().numpy()
    assert np.abs(np.asarray(Image.open("out.png")).astype(int) - wanted).max() <= 1
    assert np.mean(np.asarray(Image.open("out.png")) != wanted) < 1e-3  # where a value lies between two
