"""An ONNX file gives the image of the network that it was exported from, or is refused in one line."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import networks
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from networks import Bytes, Last, Small
from onnx import TensorProto
from PIL import Image
from srzoo_onnx.network import _failure, _providers

import srzoo
from srzoo.benchmark.identity import model_digest
from srzoo.cost import count_macs, count_parameters
from srzoo.errors import AssemblyError, CheckpointError, SrzooError, UsageError


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert b.std() > 1e-2  # an image of one colour would show nothing
    torch.testing.assert_close(a, b, atol=tolerance, rtol=0)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_image_is_the_networks(folder: Path, scale: int) -> None:
    network = Small(scale)
    networks.export(network, folder / "x.onnx")
    model = srzoo.load("onnx/x.onnx")
    assert (model.scale, model.engine) == (scale, f"onnxruntime {onnxruntime.__version__}")
    assert model.trained and not model.training
    for size in ((1, 1), (7, 33), (64, 20)):
        lr = noise(2, 3, *size)
        with torch.no_grad():
            close(model(lr).sr, network(lr))
    assert torch.equal(model.upscale(lr), model.upscale(lr))
    tiles = model.upscale(noise(1, 3, 90, 70), tile=32)
    close(tiles, model.upscale(noise(1, 3, 90, 70)), 1e-6)


def test_newly_exported_files_are_taken(folder: Path) -> None:
    pytest.importorskip("onnxscript")
    network, side = Small().eval(), torch.export.Dim.DYNAMIC
    program = torch.onnx.export(
        network, (noise(1, 3, 16, 24),), dynamo=True, dynamic_shapes=({2: side, 3: side},), verbose=False
    )
    assert program is not None
    program.save(folder / "x.onnx", external_data=True)
    model = srzoo.load("onnx/x.onnx")
    lr = noise(1, 3, 9, 31)
    with torch.no_grad():
        close(model(lr).sr, network(lr))
    assert count_macs(model, (9, 31)) == network.macs(9, 31)


@pytest.mark.parametrize("multiple", [2, 3, 4])
def test_sides_are_padded_where_the_network_wants_multiples(folder: Path, multiple: int) -> None:
    network = Small(2, multiple=multiple)
    networks.export(network, folder / "x.onnx", (1, 3, 12, 24))
    model = srzoo.load("onnx/x.onnx")
    assert model.tile_multiple == multiple
    lr = noise(1, 3, 4 * multiple - 1, 5 * multiple + 1)
    padded = torch.nn.functional.pad(lr, (0, multiple - 1, 0, 1), mode="replicate")
    with torch.no_grad():
        close(model(lr).sr, network(padded)[..., : 2 * lr.shape[2], : 2 * lr.shape[3]])
    large = noise(1, 3, 110, 70)
    close(model.upscale(large, tile=41), model.upscale(large), 1e-6)


def test_a_network_of_one_size_takes_any(folder: Path) -> None:
    network = Small()
    networks.export(network, folder / "x.onnx", (1, 3, 32, 48), free=())
    model = srzoo.load("onnx/x.onnx")
    exact, small, large = noise(1, 3, 32, 48), noise(1, 3, 5, 7), noise(1, 3, 83, 61)
    with torch.no_grad():
        close(model(exact).sr, network(exact))
        # Its receptive field ends two pixels from a seam or border.
        close(model(small).sr[..., :6, :10], network(small)[..., :6, :10])
        close(model(large).sr, network(large), 0.05)
        middle = (..., slice(8, 24), slice(8, 24))
        close(model(large).sr[middle], network(large)[middle])
    assert model.upscale(large, tile=16).shape == (1, 3, 166, 122)
    pieces = 4 * 2  # every tile shares a quarter or more with the next
    assert count_macs(model, (83, 61)) == pieces * network.macs(32, 48)


def test_half_precision_and_other_layouts_are_taken(folder: Path) -> None:
    network, lr = Small().eval(), noise(2, 3, 9, 14)
    with torch.no_grad():
        wanted = network(lr)
        networks.export(Last(network), folder / "last.onnx", (1, 16, 24, 3), free=(0, 1, 2))
        close(srzoo.load("onnx/last.onnx")(lr).sr, wanted)
        networks.export(Last(network), folder / "fixed.onnx", (1, 9, 14, 3), free=())
        close(srzoo.load("onnx/fixed.onnx")(lr).sr, wanted)
        networks.export(copy.deepcopy(network).half(), folder / "half.onnx")
        sr = srzoo.load("onnx/half.onnx")(lr).sr
        assert sr.dtype == torch.float32
        close(sr, wanted, 2e-3)


def test_pixels_of_bytes_are_taken(folder: Path) -> None:
    network, lr = Small().eval(), noise(1, 3, 9, 14)
    networks.export(Bytes(network), folder / "x.onnx")
    facts = {"Image.NominalPixelRange": "NominalRange_0_255", "Image.BitmapPixelFormat": "Bgr8"}
    networks.say(folder / "x.onnx", facts)
    with torch.no_grad():
        close(srzoo.load("onnx/x.onnx")(lr).sr, network(lr), 1e-4)
    networks.say(folder / "x.onnx", {"Image.NominalPixelRange": "Normalized_1_1"})
    with pytest.raises(UsageError, match="takes pixels of the kind Normalized_1_1, Rgb8: srzoo hands over one RGB"):
        srzoo.load("onnx/x.onnx")
    model = srzoo.load(f"onnx/{networks.repeat(folder / 'bytes.onnx')}")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    assert np.array_equal(model.upscale(pixels), pixels.repeat(2, 0).repeat(2, 1))


def test_it_counts_what_it_costs(folder: Path) -> None:
    network = Small(4)
    networks.export(network, folder / "x.onnx")
    model = srzoo.load("onnx/x.onnx")
    assert count_parameters(model) == sum(each.numel() for each in network.parameters())
    assert count_macs(model, (33, 20)) == network.macs(33, 20)
    assert count_parameters(srzoo.load(f"onnx/{networks.repeat(folder / 'repeat.onnx')}")) == 0

    class Products(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = torch.nn.Conv2d(3, 8, 2, stride=2, groups=1)
            self.depth = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.mix = torch.nn.Linear(8, 8)
            self.up = torch.nn.ConvTranspose2d(8, 3, 4, stride=4)

        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            x = self.depth(self.down(lr))
            return self.up(self.mix(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))

    products = Products()
    networks.export(products, folder / "y.onnx")
    known = srzoo.load("onnx/y.onnx")
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        products(noise(1, 3, 10, 14))
    assert count_macs(known, (10, 14)) == counter.get_total_flops() // 2 > 0
    assert count_parameters(known) == sum(each.numel() for each in products.parameters())

    class Untold(torch.nn.Conv2d):
        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            return torch.einsum("nchw,dc->ndhw", lr, self.weight[..., 0, 0])

    networks.export(Untold(3, 3, 1), folder / "z.onnx")
    assert count_macs(srzoo.load("onnx/z.onnx"), (33, 20)) is None


def test_it_is_told_from_others_by_its_weights(folder: Path) -> None:
    networks.export(Small(), folder / "x.onnx")
    data = networks.outside(folder / "x.onnx")
    first, again = (model_digest(srzoo.load("onnx/x.onnx")) for _ in range(2))
    assert first == again
    data.write_bytes(data.read_bytes()[:-4] + b"\0\0\0\1")
    assert model_digest(srzoo.load("onnx/x.onnx")) != first
    data.unlink()
    with pytest.raises(CheckpointError, match=r"keeps its weights in x\.onnx\.data, which cannot be read: put that"):
        srzoo.load("onnx/x.onnx")


def test_results_name_the_engine(folder: Path) -> None:
    networks.export(Small(4), folder / "4x.onnx")
    pixels = np.random.default_rng(0).integers(0, 255, (96, 80, 3), dtype=np.uint8)
    (folder / "data").mkdir()
    Image.fromarray(pixels).save(folder / "data" / "0.png")
    first, again = (srzoo.bench(["bicubic", "onnx/4x.onnx"], "data", results="results") for _ in range(2))
    row = first.set_index("model").loc["onnx/4x.onnx"]
    assert row["params"] == sum(each.numel() for each in Small(4).parameters()) and row["macs"] > 0
    assert again.attrs["reused"] == {name: ["quality", "cost"] for name in ("bicubic", "onnx/4x.onnx")}
    engines = {file.name.split("-")[0]: file.read_text() for file in (folder / "results" / "cost").iterdir()}
    assert f'"engine": "onnxruntime {onnxruntime.__version__}"' in engines["4x.onnx"]
    assert '"engine": "torch"' in engines["bicubic"]


@pytest.mark.parametrize("name", ["mit Leerzeichen.onnx", "日本語/é.onnx", "C:\\x.onnx"])
def test_any_path_will_do(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    networks.outside(networks.export(Small(), path))
    for text in (name, str(path)):
        assert srzoo.load(f"srzoo-onnx:onnx/{text}", 2).config["upscaler"]["variant"] == text


def test_a_copy_enlarges_alike(folder: Path) -> None:
    networks.export(Small(), folder / "x.onnx")
    model, lr = srzoo.load("onnx/x.onnx"), noise(1, 3, 6, 5)
    assert torch.equal(copy.deepcopy(model).upscale(lr), model.upscale(lr))
    assert model(torch.empty(2, 3, 6, 5, device="meta")).sr.shape == (2, 3, 12, 10)


def test_what_does_not_fit_is_told_in_one_line(folder: Path) -> None:
    networks.export(Small(), folder / "good.onnx")
    networks.export(Small(channels=1), folder / "gray.onnx", (1, 1, 16, 24))
    networks.export(Small(), folder / "four.onnx", (4, 3, 16, 24), free=())
    networks.export(Small(), folder / "wide.onnx", (1, 3, 16, 24), free=(3,))
    networks.export(torch.nn.Conv2d(3, 1, 1), folder / "mask.onnx")
    networks.export(torch.nn.Conv2d(3, 3, 1, stride=2), folder / "shrinks.onnx")
    networks.repeat(folder / "int.onnx", TensorProto.INT32)
    networks.repeat(folder / "video.onnx", TensorProto.FLOAT, ("n", 3, "t", "h", "w"))
    content = onnx.load(folder / "good.onnx")
    content.graph.input.append(onnx.helper.make_tensor_value_info("level", TensorProto.FLOAT, [1]))
    onnx.save(content, folder / "two.onnx")
    (folder / "cut.onnx").write_bytes((folder / "good.onnx").read_bytes()[:700])
    content = onnx.load(folder / "good.onnx")
    content.graph.node[0].op_type = "Conw"
    onnx.save(content, folder / "unknown.onnx")
    cases: dict[str, tuple[type[SrzooError], str]] = {
        "": (UsageError, "names no variant"),
        "goood.onnx": (UsageError, r"does not exist \(did you mean 'good.onnx'\?\): check the path"),
        "good.pth": (UsageError, r"onnx/good.pth is no .onnx file: export the network first"),
        "gray.onnx": (UsageError, r"takes images of 1 channel, \(lr0, 1, lr2, lr3\): srzoo hands over one RGB image"),
        "four.onnx": (UsageError, r"takes 4 images at once, \(4, 3, 16, 24\)"),
        "wide.onnx": (UsageError, "has one fixed side"),
        "mask.onnx": (UsageError, r"makes \(1, 1, 64, 128\) of an image \(1, 3, 64, 128\), which is no RGB image"),
        "shrinks.onnx": (UsageError, "which is no RGB image enlarged by a whole number"),
        "int.onnx": (UsageError, r"takes tensor\(int32\)"),
        "video.onnx": (UsageError, r"takes \(n, 3, t, h, w\), which is no image"),
        "two.onnx": (UsageError, r"has 2 inputs \(lr, level\)"),
        "cut.onnx": (CheckpointError, "is no whole ONNX file"),
        "unknown.onnx": (CheckpointError, r"ONNX Runtime cannot load .*unknown.onnx \(.*Conw.*: export it again"),
    }
    for name, (kind, message) in cases.items():
        with pytest.raises(kind, match=message) as caught:
            srzoo.load(f"onnx/{name}")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    with pytest.raises(UsageError, match="needs a file: write onnx/PATH"):
        srzoo.load("onnx")
    with pytest.raises(AssemblyError, match=r"onnx/good\.onnx enlarges x2, not x4: ask for scale 2"):
        srzoo.load("onnx/good.onnx", 4)


def test_too_little_memory_is_told_from_a_bad_file() -> None:
    told = "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 99"
    assert isinstance(_failure(Path("x.onnx"), RuntimeError(told)), MemoryError)
    assert isinstance(_failure(Path("x.onnx"), RuntimeError("bad shape")), CheckpointError)


def test_the_device_decides_who_computes() -> None:
    assert _providers(torch.device("cpu")) == ["CPUExecutionProvider"]
    with pytest.raises(UsageError, match="computes on cpu and cuda, not on mps: use --device cpu"):
        _providers(torch.device("mps"))
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        assert _providers(torch.device("cuda:1"))[0] == ("CUDAExecutionProvider", {"device_id": 1})
    else:
        with pytest.raises(UsageError, match="pip install onnxruntime-gpu, or use --device cpu"):
            _providers(torch.device("cuda"))


def test_the_command_line_gives_what_onnx_runtime_gives(folder: Path) -> None:
    path = networks.export(Small(4), folder / "my 4x.onnx")
    pixels = np.random.default_rng(0).integers(0, 255, (40, 28, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "in.png")
    command = [sys.executable, "-m", "srzoo", "upscale", "in.png", "out.png", "--model", f"onnx/{path}"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    session: Any = onnxruntime.InferenceSession(path)
    (made,) = session.run(None, {"lr": pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255})
    wanted = np.rint(made[0].transpose(1, 2, 0).clip(0, 1) * 255)
    assert np.array_equal(np.asarray(Image.open("out.png")), wanted)
