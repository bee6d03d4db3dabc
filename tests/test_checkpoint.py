"""A model file is whole or not there, gives back the same network, and says in one line what is wrong with it."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import srzoo
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from srzoo.assembly import build_model
from srzoo.benchmark.identity import model_digest
from srzoo.checkpoint import FORMAT, VERSION, describe, load_model, read_header, save_model
from srzoo.config import ModelConfig
from srzoo.errors import CheckpointError, MissingDistributionError, UsageError, WriteError
from srzoo.model import SRModel
from srzoo.zoo import load

CONFIG = {
    "scale": 2,
    "pre_encoder": {"name": "conv", "widths": [6, 8]},
    "encoder": {"name": "resnet", "widths": [10], "blocks": 1},
    "latent": {"name": "conditional", "channels": 3, "width": 6},
    "decoder": {"name": "attn", "widths": [8, 8], "blocks": 2, "fine_width": 4, "window": 4, "heads": 2},
    "discriminator": {"name": "patch", "width": 4},
}

OTHER_PROCESS = """
import sys, torch
from srzoo.checkpoint import load_model
model = load_model(sys.argv[1])
lr, noise = torch.load(sys.argv[2], weights_only=True)
with torch.no_grad():
    torch.save(model(lr, noise=noise).sr, sys.argv[3])
assert not model.training
"""


@pytest.fixture(scope="module")
def model() -> SRModel:
    """A network whose running statistics and weights are not the initial ones."""
    built = build_model(ModelConfig.parse(CONFIG), seed=11)
    generator = torch.Generator().manual_seed(1)
    for _ in range(2):
        built(torch.rand(2, 3, 16, 16, generator=generator))
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return built.eval()


@pytest.fixture
def saved(model: SRModel, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    return path


def weights(path: Path) -> set[str]:
    with safe_open(str(path), framework="pt") as file:
        return set(file.keys())


def test_another_process_computes_the_same_bits(model: SRModel, saved: Path, tmp_path: Path) -> None:
    lr = torch.rand(2, 3, 19, 11)
    noise = tuple(each.expand(2, -1, -1, -1).contiguous() for each in model.noise(19, 11, seed=3))
    given, result = tmp_path / "given.pt", tmp_path / "result.pt"
    torch.save((lr, noise), given)
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, saved, given, result], check=True, env={**os.environ, **threads}
    )
    with torch.no_grad():
        expected = model(lr, noise=noise).sr
        assert not torch.equal(expected, model(lr).sr)
    assert torch.equal(torch.load(result, weights_only=True), expected)


def test_the_header_tells_all_that_building_it_needs(model: SRModel, tmp_path: Path) -> None:
    path = tmp_path / "told.safetensors"
    save_model(model, path, extra={"licence": "CC0-1.0", "scores": {"Set5": 30.1}})
    header = read_header(path)
    assert header["format"] == FORMAT and header["version"] == VERSION and header["trained"] is False
    assert header["config"] == model.config
    assert header["config"]["encoder"] == {"name": "srzoo:resnet", "widths": [10], "blocks": 1, "norm": "batch"}
    assert list(header["distributions"]) == ["srzoo"]
    assert header["licence"] == "CC0-1.0" and header["scores"] == {"Set5": 30.1}
    assert load_model(path).config == model.config
    facts = describe(path)["file"]
    assert facts["bytes"] == path.stat().st_size and facts["stored_as"] == ["F32", "I64"]
    assert facts["weights"] == sum(value.numel() for value in load_file(path).values())


def test_trained_is_kept(model: SRModel, tmp_path: Path) -> None:
    path = tmp_path / "trained.safetensors"
    model.trained = True
    try:
        save_model(model, path)
    finally:
        model.trained = False
    assert load_model(path).trained


def test_half_precision_halves_the_file_and_hardly_moves_the_image(model: SRModel, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_model(model, path, half=True)
    assert describe(path)["file"]["stored_as"] == ["F16", "I64"]
    assert path.stat().st_size < 0.7 * saved.stat().st_size
    loaded = load_model(path)
    assert all(value.dtype != torch.float16 for value in loaded.state_dict().values())
    lr = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        whole, half = model(lr).sr, loaded(lr).sr
    assert 0 < (whole - half).abs().max() < 1e-2


def test_what_only_training_needs_is_kept_on_demand(model: SRModel, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.safetensors"
    save_model(model, path, training_parts=True)
    assert weights(path) == set(model.state_dict())
    dropped = weights(path) - weights(saved)
    assert dropped == {name for name in model.state_dict() if name.startswith("latent.posterior")} != set()
    lr, hr = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        expected = model(lr, hr=hr)
        kept, fresh = load_model(path)(lr, hr=hr), load_model(saved)(lr, hr=hr)
    assert torch.equal(kept.posterior[0].mean, expected.posterior[0].mean)
    assert not torch.equal(fresh.posterior[0].mean, expected.posterior[0].mean)


def test_the_digest_names_the_weights(model: SRModel, tmp_path: Path) -> None:
    path = tmp_path / "all.safetensors"
    save_model(model, path, training_parts=True)
    loaded = load_model(path)
    assert model_digest(loaded) == model_digest(model)
    with torch.no_grad():
        next(loaded.parameters())[0].add_(1e-3)
    assert model_digest(loaded) != model_digest(model)


def test_loading_leaves_the_global_generator_alone(saved: Path) -> None:
    before = torch.get_rng_state()
    load_model(saved)
    assert torch.equal(torch.get_rng_state(), before)


# What is wrong with a file is said in one line.


def with_header(source: Path, target: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A copy of a model file with another description of itself."""
    header = change(read_header(source))
    text = header if isinstance(header, str) else json.dumps(header)
    save_file(load_file(source), target, metadata={"srzoo": text})
    return target


def with_encoder(header: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The description with other options of the encoder."""
    return {**header, "config": {**header["config"], "encoder": {"name": "srzoo:resnet", **options}}}


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


@pytest.mark.parametrize("keep", [4, 8, 100, -1000, -1])
def test_cut_short(saved: Path, keep: int) -> None:
    saved.write_bytes(saved.read_bytes()[:keep])
    assert "not a whole safetensors file" in refused(saved)


def test_empty_missing_and_folder(tmp_path: Path) -> None:
    empty = tmp_path / "empty.safetensors"
    empty.touch()
    assert "the file is empty" in refused(empty)
    assert "does not exist" in refused(tmp_path / "nowhere.safetensors")
    assert "a folder, not a model file" in refused(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_are_never_opened(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "model.pth"
    torch.save({"weight": torch.zeros(3)}, path, _use_new_zipfile_serialization=zipped)
    assert "a pickled checkpoint, which srzoo never opens" in refused(path)

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    path.write_bytes(pickle.dumps(Trap()))
    refused(path)
    assert not (tmp_path / "sprung").exists()


def test_a_plain_upscaler_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="WholeModel is not assembled from parts"):
        save_model(load("bicubic"), tmp_path / "bicubic.safetensors")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_somebody_elses_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    assert "not one of srzoo's" in refused(path)
    save_file({"weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    assert "not one of srzoo's" in refused(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header: "{cut", "damaged"),
        (lambda header: "[]", "holds something else, not a model"),
        (lambda header: {**header, "format": "other"}, "holds other, not a model"),
        (lambda header: {**header, "version": VERSION + 1}, f"format version {VERSION + 1}, newer than"),
        (lambda header: {**header, "version": "one"}, "format version one, which there never was"),
        (lambda header: {**header, "version": 0}, "format version 0, which there never was"),
        (lambda header: {key: value for key, value in header.items() if key != "config"}, "config"),
        (lambda header: {**header, "config": {**header["config"], "scale": None}}, "scale"),
        (lambda header: {**header, "config": {"skips": True}}, "lacks the scale"),
        (lambda header: {**header, "config": 3}, "config"),
        (lambda header: {**header, "config": {**header["config"], "scale": "four"}}, "scale"),
        (lambda header: with_encoder(header, widths=[12]), "a weight does not fit the network"),
        (lambda header: with_encoder(header, blok=1), "'blok'"),
    ],
)
def test_damaged_descriptions(saved: Path, tmp_path: Path, change: Any, words: str) -> None:
    assert words in refused(with_header(saved, tmp_path / "changed.safetensors", change))


def test_a_newer_file_says_how_to_read_it(saved: Path, tmp_path: Path) -> None:
    newer = with_header(saved, tmp_path / "newer.safetensors", lambda header: {**header, "version": VERSION + 1})
    assert "pip install -U srzoo" in refused(newer)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.update({"decoder.ladder.entry.weight": torch.zeros(3, 3)}), "does not fit the network"),
        (lambda state: state.pop("decoder.ladder.entry.bias"), "lacks decoder.ladder.entry.bias (1 missing"),
        (lambda state: state.update({"decoder.more": torch.zeros(3)}), "holds decoder.more"),
    ],
)
def test_weights_that_do_not_fit(saved: Path, tmp_path: Path, change: Any, words: str) -> None:
    state, header = load_file(saved), read_header(saved)
    change(state)
    path = tmp_path / "changed.safetensors"
    save_file(state, path, metadata={"srzoo": json.dumps(header)})
    assert words in refused(path)


def test_a_part_that_is_not_installed_is_named_with_its_distribution(saved: Path, tmp_path: Path) -> None:
    def foreign(header: dict[str, Any]) -> dict[str, Any]:
        config = {**header["config"], "encoder": {"name": "srzoo-nowhere:curvelet", "levels": 2}}
        return {**header, "config": config, "distributions": {"srzoo": "0.1.0", "srzoo-nowhere": "2.3"}}

    path = with_header(saved, tmp_path / "foreign.safetensors", foreign)
    with pytest.raises(MissingDistributionError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message and "srzoo-nowhere 2.3" in message
    assert message.endswith("pip install srzoo-nowhere")


def test_a_lying_length_is_no_reason_to_allocate_it(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    assert "not a whole safetensors file" in refused(path)


def test_loading_never_asks_for_pretrained_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    encoder = {"name": "timm/resnet18", "depth": 1}
    built = build_model(ModelConfig.parse({**CONFIG, "encoder": encoder}), seed=2).eval()
    path, claimed = tmp_path / "plain.safetensors", tmp_path / "pretrained.safetensors"
    save_model(built, path)
    encoder = {**read_header(path)["config"]["encoder"], "pretrained": True}
    with_header(path, claimed, lambda header: {**header, "config": {**header["config"], "encoder": encoder}})
    monkeypatch.setattr(timm.models._builder, "load_pretrained", lambda *a, **k: pytest.fail("fetched"))
    loaded = load_model(claimed)
    assert torch.equal(loaded.encoder.backbone.conv1.weight, built.encoder.backbone.conv1.weight)


# A file appears whole or not at all.


def test_writing_where_there_is_no_folder(model: SRModel, tmp_path: Path) -> None:
    path = tmp_path / "no" / "model.safetensors"
    with pytest.raises(WriteError, match=r"cannot write .*No such file or directory"):
        save_model(model, path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["fsync", "open", "replace"])
def test_a_write_that_fails_leaves_what_was_there(model: SRModel, saved: Path, call: str, monkeypatch: Any) -> None:
    before = saved.read_bytes()
    owner: Any = os if call == "fsync" else Path
    genuine = getattr(owner, call)

    def fail(subject: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(subject, Path) and subject.suffix != ".part":
            return genuine(subject, *arguments, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(owner, call, fail)
    with pytest.raises(WriteError) as caught:
        save_model(model, saved)
    monkeypatch.undo()
    assert "\n" not in str(caught.value) and "No space left on device" in str(caught.value)
    assert list(saved.parent.iterdir()) == [saved] and saved.read_bytes() == before


def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.safetensors"
    os.mkfifo(pipe)
    refused = srzoo("build", "compact", "-o", pipe)
    assert refused.returncode == 1 and "is a device or a pipe" in refused.stderr
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_writing_into_a_read_only_folder(model: SRModel, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(WriteError, match="Permission denied"):
            save_model(model, tmp_path / "model.safetensors")
    finally:
        tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_writing_over_a_folder(model: SRModel, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(WriteError, match="cannot write"):
        save_model(model, tmp_path / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_use_does_not_need_the_discriminator(model: SRModel, tmp_path: Path) -> None:
    path = tmp_path / "judged.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        judge = {"name": "srzoo-elsewhere:judge", "width": 3}
        patch.setattr(model, "config", {**model.config, "discriminator": judge})
        patch.setattr("srzoo.checkpoint.distributions", lambda config: {"srzoo": "0.1.0", "srzoo-elsewhere": "1.0"})
        save_model(model, path)
    loaded = load_model(path)
    assert loaded.config["discriminator"] == judge
