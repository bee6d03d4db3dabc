"""The parts are those of diffusers, take its weights, and work in training and in use."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DModel, VQModel
from PIL import Image
from safetensors.torch import load_file, save_file
from srzoo_diffusers.decoder import DiffusersDecoder
from srzoo_diffusers.encoder import DiffusersEncoder
from srzoo_diffusers.latents import KLLatent, VQLatent
from torch import Tensor

import srzoo
from srzoo.errors import AssemblyError, OptionError
from srzoo.layers import sample
from srzoo.spec import Spec

IMAGE = Spec(3)

SHAPE: dict[str, Any] = {"widths": (16, 32, 32), "layers": 1, "groups": 8, "attention": True}

WEIGHTS = "diffusion_pytorch_model.safetensors"

RECIPE = """
summary = "A few steps with an autoencoder of diffusers"
preset = "reference"
precision = "float32"

[model]
pre_encoder = { name = "conv" }
encoder = { name = "diffusers", widths = [8, 8], groups = 4 }
latent = { name = "diffusers-kl" }
decoder = { name = "diffusers", widths = [8], groups = 4 }

[data]
train = ["photos"]
validation = "photos"
crop = 8
batch = 2

[[stages]]
name = "fidelity"
steps = 6
warm_up = 1
prior = { l1 = 1.0 }
posterior = { l1 = 1.0, kl = 0.002 }
"""


def saved(path: Path, kind: type[Any] = AutoencoderKL, **changes: Any) -> Any:
    """A small autoencoder with weights by chance, as diffusers saves it; all biases and scales are moved, too."""
    torch.manual_seed(0)
    options = {
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "block_out_channels": SHAPE["widths"],
        "layers_per_block": SHAPE["layers"],
        "norm_num_groups": SHAPE["groups"],
        **changes,
    }
    network = kind(**options).eval()
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.05 * torch.randn_like(value))
    network.save_pretrained(path)
    return network


def image(seed: int = 0) -> Tensor:
    return torch.rand(2, 3, 24, 16, generator=torch.Generator().manual_seed(seed))


def parts(path: Path, latent: type[Any] = KLLatent, **options: Any) -> tuple[DiffusersEncoder, Any, DiffusersDecoder]:
    """All three parts with the weights of a folder, at scale 1."""
    encoder = DiffusersEncoder(IMAGE, **SHAPE, pretrained=str(path)).eval()
    middle = latent(encoder.out_specs[-1], IMAGE, pretrained=str(path), **options).eval()
    return encoder, middle, DiffusersDecoder((middle.out_spec,), IMAGE, **SHAPE, pretrained=str(path)).eval()


@torch.no_grad()
@pytest.mark.parametrize("quantised", [True, False])
def test_together_the_parts_are_the_kl_autoencoder(folder: Path, quantised: bool) -> None:
    whole = saved(folder / "kl", use_quant_conv=quantised, use_post_quant_conv=quantised)
    encoder, latent, decoder = parts(folder / "kl")
    output = latent(encoder(image())[-1])
    wanted = whole.encode(2 * image() - 1).latent_dist
    torch.testing.assert_close(output.posterior[0].mean, wanted.mean)
    torch.testing.assert_close(output.posterior[0].log_variance, wanted.logvar)
    torch.testing.assert_close(decoder((output.z,)), (whole(2 * image() - 1).sample + 1) / 2)
    noise = torch.randn(wanted.mean.shape, generator=torch.Generator().manual_seed(1))
    drawn = decoder((latent(encoder(image())[-1], None, (noise,)).z,))
    z = sample(output.posterior[0], (noise,))
    torch.testing.assert_close(drawn, (whole.decode(z).sample + 1) / 2)


@torch.no_grad()
@pytest.mark.parametrize("dimension", [0, 5])
def test_together_the_parts_are_the_vq_autoencoder(folder: Path, dimension: int) -> None:
    whole = saved(folder / "vq", VQModel, num_vq_embeddings=32, vq_embed_dim=dimension or None)
    encoder, latent, decoder = parts(folder / "vq", VQLatent, codebook_size=32, dimension=dimension)
    z = latent(encoder(image())[-1]).z
    torch.testing.assert_close(decoder((z,)), (whole(2 * image() - 1).sample + 1) / 2)
    assert len(latent.quantize(latent.quant_conv(latent.conv_out(encoder(image())[-1])))[2][2].unique()) > 1


def test_a_model_starts_from_a_folder_and_its_file_needs_none(folder: Path) -> None:
    whole = saved(folder / "kl")
    options = {**SHAPE, "widths": list(SHAPE["widths"]), "pretrained": "kl"}
    model = srzoo.build(
        scale=1,
        skips=False,
        base="none",
        pre_encoder={"name": "identity"},
        encoder={"name": "diffusers", **options},
        latent={"name": "diffusers-kl", "pretrained": "kl"},
        decoder={"name": "diffusers", **options},
    ).eval()
    with torch.no_grad():
        wanted = ((whole(2 * image() - 1).sample + 1) / 2).clamp(0, 1)
    torch.testing.assert_close(model.upscale(image()), wanted, atol=1e-5, rtol=0)
    srzoo.save(model, "model.safetensors")
    shutil.rmtree("kl")
    assert torch.equal(srzoo.load("model.safetensors").upscale(image()), model.upscale(image()))


def test_weights_of_before_the_attention_was_renamed_are_read(folder: Path) -> None:
    saved(folder / "new")
    wanted = parts(folder / "new")[0](image())[-1]
    shutil.copytree("new", "old")
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, value in load_file(Path("new", WEIGHTS)).items():
        for new, before in old.items():
            name = name.replace(f".attentions.0.{new}.", f".attentions.0.{before}.")
        renamed[name] = value
    assert set(renamed) != set(load_file(Path("new", WEIGHTS)))
    save_file(renamed, Path("old", WEIGHTS))
    assert torch.equal(parts(folder / "old")[0](image())[-1], wanted)


def test_what_does_not_fit_starts_fresh(folder: Path) -> None:
    whole = saved(folder / "kl")
    shallow = {**SHAPE, "widths": SHAPE["widths"][:2], "pretrained": str(folder / "kl")}
    encoder = DiffusersEncoder(Spec(7), **shallow)
    assert torch.equal(encoder.network.down_blocks[1].resnets[0].conv1.weight, _weight(whole.encoder.down_blocks[1]))
    assert encoder.network.conv_in.weight.shape[1] == 7
    # Four levels where the autoencoder has three: blocks are counted from the image.
    decoder = DiffusersDecoder((Spec(16, 2),), Spec(3, "1/4"), **SHAPE, pretrained=str(folder / "kl"))
    assert torch.equal(_weight(decoder.network.up_blocks[-1]), _weight(whole.decoder.up_blocks[-1]))
    assert torch.equal(_weight(decoder.network.up_blocks[1]), _weight(whole.decoder.up_blocks[0]))
    assert not torch.equal(_weight(decoder.network.up_blocks[0]), _weight(whole.decoder.up_blocks[0]))


def _weight(block: Any) -> Tensor:
    return block.resnets[0].conv1.weight


def test_without_weights_the_first_image_is_nearly_the_base() -> None:
    torch.manual_seed(0)
    decoder = DiffusersDecoder((Spec(8), Spec(16, 2)), Spec(3, "1/4"))
    assert decoder((torch.rand(1, 8, 8, 8), torch.rand(1, 16, 4, 4))).abs().max() < 0.5


def test_every_prime_factor_is_a_level() -> None:
    decoder = DiffusersDecoder((Spec(4), Spec(8, 14)), Spec(3, "1/3"), widths=(16,))
    assert len(decoder.network.up_blocks) == 1 + len([7, 2, 3])
    assert decoder((torch.rand(1, 4, 14, 28), torch.rand(1, 8, 1, 2))).shape == (1, 3, 42, 84)
    with pytest.raises(AssemblyError, match="from stride 3 to 2 is no whole factor"):
        DiffusersDecoder((Spec(4), Spec(8, 2), Spec(8, 3)), Spec(3, "1/2"))


def test_skips_have_a_say() -> None:
    decoder = DiffusersDecoder((Spec(4), Spec(5), Spec(6, 2), Spec(7, 2)), Spec(3, "1/2")).eval()
    maps = [torch.rand(1, 4, 8, 8), torch.rand(1, 5, 8, 8), torch.rand(1, 6, 4, 4), torch.rand(1, 7, 4, 4)]
    before = decoder(tuple(maps))
    for index in range(4):
        changed = [each + 1 if index == number else each for number, each in enumerate(maps)]
        assert not torch.equal(decoder(tuple(changed)), before)


def test_the_losses_of_the_codebook_are_those_of_the_paper() -> None:
    torch.manual_seed(0)
    latent = VQLatent(Spec(6), IMAGE, commitment_weight=0.5)
    output = latent(features := torch.rand(2, 6, 8, 8))
    vectors = latent.quant_conv(latent.conv_out(features)).movedim(1, -1).flatten(0, -2)
    codes = latent.quantize.embedding.weight
    error = (vectors - codes[torch.cdist(vectors, codes).argmin(dim=1)]).square().mean()
    assert set(output.losses) == {"codebook"}
    torch.testing.assert_close(output.losses["codebook"], 1.5 * error)
    assert not latent.eval()(features).losses


def test_what_cannot_be_opened_is_told_in_one_line(folder: Path) -> None:
    saved(folder / "kl")
    for name in ("cut", "bare", "unet", "odd"):
        shutil.copytree("kl", name)
    Path("cut", WEIGHTS).write_bytes(Path("kl", WEIGHTS).read_bytes()[:1000])
    Path("bare", WEIGHTS).unlink()
    shutil.rmtree("unet")
    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    UNet2DModel(block_out_channels=(32,), **blocks).save_pretrained("unet")
    Path("odd", "config.json").write_text("[1, 2")
    shape = {**SHAPE, "widths": [16, 32, 32]}
    for changes, message in (
        ({"pretrained": "missing"}, "encoder.pretrained=missing has no config.json: name a folder"),
        ({"pretrained": "bare"}, f"has no {WEIGHTS}"),
        ({"pretrained": "cut"}, "cannot be read .*: copy or download it again"),
        ({"pretrained": "odd"}, "cannot be read .*: copy or download it again"),
        ({"pretrained": "unet"}, "holds UNet2DModel: name that of AutoencoderKL or VQModel"),
        ({"widths": [16, 48]}, "another block_out_channels: set encoder.widths=16,32,32"),
        ({"layers": 2}, "another layers_per_block: set encoder.layers=1"),
        ({"attention": False}, "another mid_block_add_attention: set encoder.attention=true"),
        ({"groups": 16}, "16 channels do not make 16 groups of two or more: set encoder.groups to a smaller divisor"),
        ({"groups": 5}, "16 channels do not make 5 groups"),
    ):
        with pytest.raises(OptionError, match=message) as caught:
            srzoo.build(encoder={"name": "diffusers", "pretrained": "kl", **shape, **changes})
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    with pytest.raises(OptionError, match=r"another latent_channels: set latent\.channels=4"):
        srzoo.build(latent={"name": "diffusers-kl", "channels": 8, "pretrained": "kl"})
    assert json.loads(Path("kl", "config.json").read_text())["_class_name"] == "AutoencoderKL"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "srzoo", *arguments], capture_output=True, encoding="utf-8")


@pytest.mark.parametrize(("latent", "term"), [("diffusers-kl", "posterior.kl"), ("diffusers-vq", "prior.codebook")])
def test_the_command_line_trains_and_uses_the_parts(folder: Path, latent: str, term: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (2, 48, 40, 3), dtype=np.uint8)
    (folder / "photos").mkdir()
    for index, photo in enumerate(pixels):
        Image.fromarray(photo).resize((80, 96)).save(folder / "photos" / f"{index}.png")
    Path("few.toml").write_text(RECIPE.replace("diffusers-kl", latent))
    trained = run("train", "few.toml", "--data", ".", "-o", "out")
    assert trained.returncode == 0, trained.stderr
    columns, *lines = (line.split(",") for line in Path("out/ledger.csv").read_text().splitlines())
    assert len(lines) == 6 and term in columns
    Image.fromarray(pixels[0]).save("in.png")
    used = run("upscale", "in.png", "out.png", "--model", "out/fidelity.safetensors")
    assert used.returncode == 0, used.stderr
    with Image.open("out.png") as enlarged:
        assert enlarged.size == (160, 192)


def test_the_command_line_builds_and_refuses_in_one_line() -> None:
    chosen = ("--encoder", "diffusers", "--latent", "diffusers-vq", "--decoder", "diffusers")
    built = run("build", *chosen, "-o", "model.safetensors")
    assert built.returncode == 0, built.stderr
    assert Path("model.safetensors").is_file()
    refused = run("build", *chosen, "--set", "encoder.pretrained=nowhere")
    assert refused.returncode == 2
    assert "encoder.pretrained=nowhere has no config.json" in refused.stderr and len(refused.stderr.splitlines()) == 1
