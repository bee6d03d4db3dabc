"""What a stage can be told: its optimiser, its schedule, what it trains, how a batch is cut, where a run starts."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from training import RECIPE, numbers, train

from srzoo.checkpoint import load_model, read_header, save_model
from srzoo.train.batch import Batch
from srzoo.train.batches import batch_noise, shared_indices
from srzoo.train.engine import start_engine
from srzoo.train.loop import Run
from srzoo.train.muon import Muon, orthogonalize
from srzoo.train.optimizers import rate_share
from srzoo.train.recipe import Stage, load_recipe
from srzoo.train.step import Trainer, gradient_penalty, takes_posterior
from srzoo.train.twice import DifferentiableTwice

ONE_STAGE = (
    RECIPE[: RECIPE.index("[[stages]]")] + "[stages.fidelity]\nsteps = 6\nposterior_share = 0\nprior = { l1 = 1 }\n"
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(ONE_STAGE)
    return path


def test_a_stage_trains_the_parts_it_names_and_leaves_the_others_alone(
    recipe: Path, photos: Path, tmp_path: Path
) -> None:
    more = ("--set", 'stages.fidelity.train=["decoder"]', "--set", "stages.fidelity.ema=0")
    assert train(recipe, photos, tmp_path / "none", *more, "--set", "stages.fidelity.steps=1").returncode == 0
    assert train(recipe, photos, tmp_path / "run", *more).returncode == 0
    before, after = (load_file(tmp_path / name / "fidelity.safetensors") for name in ("none", "run"))
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"decoder"}


def test_a_later_stage_without_weights_to_train_is_refused_before_the_first(
    recipe: Path, photos: Path, tmp_path: Path
) -> None:
    recipe.write_text(
        RECIPE.replace('{ name = "conditional", channels = 2, width = 8 }', '"identity"').replace(
            "temperature = 1.0", 'train = ["latent"]'
        )
    )
    refused = train(recipe, photos, tmp_path / "run")
    assert refused.returncode == 1 and not (tmp_path / "run").exists()
    assert "error: stage adversarial: latent of this network has no weights to train" in refused.stderr


def test_a_stage_keeps_shares_of_what_earlier_ones_left(recipe: Path, photos: Path, tmp_path: Path) -> None:
    third = '[[stages]]\nname = "third"\nsteps = 3\nprior = { l1 = 1.0 }\nposterior_share = 0.0\n'
    for folder, keep in (("all", ""), ("some", "keep = { fidelity = 0.1, adversarial = 0.3 }\n")):
        recipe.write_text(RECIPE + third + keep)
        assert train(recipe, photos, tmp_path / folder).returncode == 0
    first, second, third_alone = (
        load_file(tmp_path / "all" / f"{stage}.safetensors") for stage in ("fidelity", "adversarial", "third")
    )
    some = load_file(tmp_path / "some" / "third.safetensors")
    assert all(
        any(not torch.equal(a[name], b[name]) for name in a) for a, b in ((first, second), (second, third_alone))
    )
    for name, value in some.items():
        wanted = 0.1 * first[name] + 0.3 * second[name] + 0.6 * third_alone[name]
        assert torch.allclose(value, wanted, rtol=0, atol=1e-6), name


def test_stages_written_as_a_list_are_changed_by_name(recipe: Path) -> None:
    recipe.write_text(RECIPE)
    whole = load_recipe(str(recipe)).stages
    changed = load_recipe(str(recipe), {"stages": {"fidelity": {"steps": 3}}}).stages
    assert changed == (whole[0].model_copy(update={"steps": 3}), whole[1])


def test_what_is_kept_of_a_stage_goes_with_the_stage() -> None:
    left = load_recipe("reference", {"stages": {"fidelity": {"steps": 0}}}).stages
    assert [stage.name for stage in left] == ["adversarial", "samples"] and left[-1].keep.keys() == {"adversarial"}


def test_one_process_in_a_job_of_slurm_s_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("NTASKS", 4),
        ("JOB_NAME", "job"),
        ("JOB_ID", 1),
        ("PROCID", 0),
        ("LOCALID", 0),
        ("NODEID", 0),
    ):
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    assert start_engine(torch.device("cpu"), "float32")[0].world_size == 1


def test_muon_takes_all_digits_of_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    multiply, seen = torch.baddbmm, []

    def watched(*given: Any, **more: Any) -> torch.Tensor:
        seen.append(torch.get_float32_matmul_precision())
        return multiply(*given, **more)

    monkeypatch.setattr(torch, "baddbmm", watched)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        orthogonalize([torch.eye(4)[None]])
        assert set(seen) == {"highest"} and torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_every_optimizer_learns(optimizer: str, recipe: Path, photos: Path, tmp_path: Path) -> None:
    changes = (
        f"stages.fidelity.optimizer={optimizer}",
        "stages.fidelity.steps=30",
        "stages.fidelity.warm_up=2",
        "validate_every=10",
    )
    more = [text for change in changes for text in ("--set", change)]
    done = train(recipe, photos, tmp_path / "run", *more)
    assert done.returncode == 0, done.stderr
    scores = [float(row["val_psnr_y"]) for row in numbers(tmp_path / "run" / "ledger.csv") if row["val_psnr_y"]]
    assert scores[-1] > scores[0] + 0.01


@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
@pytest.mark.parametrize("game", ["bce", "hinge", "relativistic", "least-squares"])
def test_every_game_is_played_in_every_precision(
    game: str, precision: str, recipe: Path, photos: Path, tmp_path: Path
) -> None:
    recipe.write_text(
        RECIPE.replace("hinge", game)
        .replace("steps = 6", "steps = 1")
        .replace("steps = 4", "steps = 4\nr1 = 1.0\nr1_every = 2")
        .replace('precision = "float32"', f'precision = "{precision}"')
    )
    done = train(recipe, photos, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    rows = [row for row in numbers(tmp_path / "run" / "ledger.csv") if row["stage"] == "adversarial"]
    assert [bool(row["r1"]) for row in rows] == [True, False, True, False]
    assert all(math.isfinite(float(row["discriminator"])) for row in rows)


def test_a_batch_in_parts_is_the_same_batch(recipe: Path, photos: Path, tmp_path: Path) -> None:
    for parts in (1, 2):
        done = train(recipe, photos, tmp_path / str(parts), "--set", f"stages.fidelity.accumulate={parts}")
        assert done.returncode == 0, done.stderr
    whole, cut = (numbers(tmp_path / str(parts) / "ledger.csv") for parts in (1, 2))
    for one, other in zip(whole, cut, strict=True):
        for name in ("prior.l1", "gradient", "at_image.prior.l1"):
            assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-4)


def test_a_row_is_kept_of_every_nth_step_and_of_each_that_is_saved_or_judged(
    recipe: Path, photos: Path, tmp_path: Path
) -> None:
    assert train(recipe, photos, tmp_path / "run", "--set", "log_every=4").returncode == 0
    rows = numbers(tmp_path / "run" / "ledger.csv")
    assert [(row["step"], bool(row["prior.l1"]), bool(row["val_psnr_y"])) for row in rows] == [
        ("0", True, False), ("1", True, False), ("3", True, True), ("4", True, False), ("5", True, True)
    ]  # fmt: skip


@pytest.mark.parametrize("share", [0.25, 0.7])
def test_steps_from_the_posterior_have_rows_as_often_as_the_others(
    share: float, recipe: Path, photos: Path, tmp_path: Path
) -> None:
    changes = ("log_every=3", "save_every=100", "validate_every=100", "stages.fidelity.steps=33")
    posterior = 'stages.fidelity.posterior={"l1": 1.0, "kl": 0.01}'
    changes = (*changes, posterior, f"stages.fidelity.posterior_share={share}")
    done = train(recipe, photos, tmp_path / "run", *(part for each in changes for part in ("--set", each)))
    assert done.returncode == 0, done.stderr
    rows = [row for row in numbers(tmp_path / "run" / "ledger.csv") if row["stage"] == "fidelity"][:-1]
    for kind, steps in (("prior", 32 - math.floor(32 * share)), ("posterior", math.floor(32 * share))):
        assert sum(bool(row[f"{kind}.l1"]) for row in rows) == math.ceil(steps / 3)
    units = numbers(tmp_path / "run" / "latent.csv")
    assert len(units) >= math.ceil(math.floor(32 * share) / 3)


def test_a_run_starts_from_another_scale_and_says_what_is_fresh(recipe: Path, photos: Path, tmp_path: Path) -> None:
    assert train(recipe, photos, tmp_path / "two").returncode == 0
    start = tmp_path / "two" / "fidelity.safetensors"
    still = ("--set", "stages.fidelity.learning_rate=1e-9", "--set", "stages.fidelity.steps=1")
    done = train(recipe, photos, tmp_path / "four", "--from", start, "--set", "model.scale=4", *still)
    assert done.returncode == 0, done.stderr
    assert "started from" in done.stderr and "fresh: " in done.stderr
    four = tmp_path / "four" / "fidelity.safetensors"
    before, after = load_file(start), load_file(four)
    assert load_model(four).scale == 4
    assert read_header(four)["training"]["recipe"]["start"] == str(start)
    same = [name for name in before if name in after and before[name].shape == after[name].shape]
    assert len(same) > 10 and all(torch.allclose(before[name], after[name], atol=1e-6) for name in same)


def test_a_run_that_started_elsewhere_goes_on_without_what_it_started_from(
    recipe: Path, photos: Path, tmp_path: Path
) -> None:
    assert train(recipe, photos, tmp_path / "one").returncode == 0
    start, model = tmp_path / "start.safetensors", load_model(tmp_path / "one" / "fidelity.safetensors")
    save_model(model, start, training_parts=True, extra={"licence": "for research"})
    assert train(recipe, photos, tmp_path / "two", "--from", start).returncode == 0
    start.unlink()
    done = train(recipe, photos, tmp_path / "two", "--from", start, "--resume")
    assert done.returncode == 0 and "started from" not in done.stderr
    assert read_header(tmp_path / "two" / "fidelity.safetensors")["licence"] == "for research"
    refused = train(recipe, photos, tmp_path / "two", "--resume")
    assert refused.returncode == 1 and "--from" in refused.stderr


def test_a_start_that_fits_nothing_is_refused(recipe: Path, photos: Path, tmp_path: Path) -> None:
    refused = train(recipe, photos, tmp_path / "run", "--from", "bicubic")
    assert refused.returncode == 1 and "upscaler without weights" in refused.stderr
    missing = train(recipe, photos, tmp_path / "run", "--from", tmp_path / "nothing.safetensors")
    assert missing.returncode == 2 and "does not exist" in missing.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("stages.fidelity.schedule=multistep", "milestones belong to"),
        ("stages.fidelity.weight_decay=0.1", "belongs to optimizer"),
        ("stages.fidelity.accumulate=3", "does not divide"),
        ("stages.fidelity.r1=1", "name an adversarial loss"),
        ("stages.fidelity.train=encodr", "stages.fidelity.train"),
        ('stages.fidelity.prior={"charbonnier": {"weight": 1, "epz": 1}}', "has no option 'epz'"),
        ('stages.fidelity.prior={"l1": 1, "hinge": 0.1, "bce": 0.1}', "one discriminator plays by one"),
        ("stages.fidelity=7", "is not a table"),
    ],
)
def test_a_stage_that_makes_no_sense_is_refused(
    change: str, says: str, recipe: Path, photos: Path, tmp_path: Path
) -> None:
    refused = train(recipe, photos, tmp_path / "run", "--set", change)
    assert refused.returncode == 2, refused.stderr
    assert says in refused.stderr and "Traceback" not in refused.stderr
    assert not (tmp_path / "run").exists()


def test_a_recipe_drops_and_changes_stages_by_name(tmp_path: Path) -> None:
    derived = tmp_path / "derived.toml"
    derived.write_text('from = "reference"\n[stages.adversarial]\nsteps = 0\n[stages.fidelity]\nclip = 0.5\n')
    assert [stage.name for stage in load_recipe(str(derived)).stages] == ["fidelity", "samples"]
    derived.write_text(derived.read_text() + "[stages.samples]\nsteps = 0\n")
    (stage,) = load_recipe(str(derived)).stages
    first = load_recipe("reference").stages[0]
    assert stage == first.model_copy(update={"clip": 0.5})


def test_learning_rates_follow_their_schedules() -> None:
    base = {"name": "a", "steps": 100, "warm_up": 10, "posterior_share": 0, "prior": {"l1": 1}}
    cosine, constant = Stage(**base), Stage(**base, schedule="constant")
    stepped = Stage(**base, schedule="multistep", milestones=(0.5, 0.75), gamma=0.1)
    assert [rate_share(stage, 0) for stage in (cosine, constant, stepped)] == [0.1] * 3
    assert rate_share(cosine, 55) == pytest.approx(0.5) and rate_share(cosine, 99) < 0.001
    assert {rate_share(constant, step) for step in range(10, 100)} == {1.0}
    assert [rate_share(stepped, step) for step in (49, 50, 74, 75)] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_posterior_steps_are_spread_evenly() -> None:
    assert [takes_posterior(0.25, step) for step in range(8)] == [False, False, False, True] * 2
    assert not any(takes_posterior(0, step) for step in range(8)) and all(takes_posterior(1, step) for step in range(8))


def test_processes_share_every_part_of_a_batch() -> None:
    shares = [shared_indices(8, 2, (rank, 2)) for rank in range(2)]
    assert shares == [[0, 1, 4, 5], [2, 3, 6, 7]]
    whole = batch_noise((0, 5), range(8), [(2, 3, 3)], 0.5)[0]
    assert torch.equal(whole[shares[1]], batch_noise((0, 5), shares[1], [(2, 3, 3)], 0.5)[0])
    assert 0.3 < float(whole.std()) < 0.7 and batch_noise((0, 5), range(8), [(2, 3, 3)], 0) == ()


def test_muon_moves_by_near_orthogonal_matrices_and_the_rest_by_adam() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        matrices = torch.randn(3, 16, 40)
    (found,) = orthogonalize([matrices])
    values = torch.linalg.svdvals(found)
    assert float(values.min()) > 0.6 and float(values.max()) < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    assert float((found - left @ right).norm() / (left @ right).norm()) < 0.25
    weight, bias, twin = nn.Parameter(matrices[0].clone()), nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))
    muon = Muon([{"params": [weight], "orthogonal": True}, {"params": [bias], "orthogonal": False}], 0.1)
    adam = torch.optim.Adam([twin], 0.1, betas=(0.9, 0.99), fused=True)
    weight.grad, bias.grad, twin.grad = matrices[1].clone(), torch.arange(4.0), torch.arange(4.0)
    muon.step()
    adam.step()
    assert torch.equal(bias, twin)
    expected = matrices[0] - 0.1 * 0.2 * 40**0.5 * orthogonalize([matrices[1:2]])[0][0]
    assert torch.allclose(weight, expected, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_every_optimizer_resumes_to_the_same_bits(
    optimizer: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "model": {"pre_encoder": {"width": 32}, "encoder": {"widths": [32]}},
        "stages": {"fidelity": {"optimizer": optimizer, "posterior_share": 0.25, "posterior": {"l1": 1, "kl": 0.01}}},
    }
    path = tmp_path / "tiny.toml"
    path.write_text(ONE_STAGE)
    recipe = load_recipe(str(path), changes)
    Run(recipe, tmp_path / "whole", photos).run(lambda report: None)
    step = Trainer.step

    def stopping(trainer: Trainer, batch: Batch, number: int, rate: float) -> dict[str, torch.Tensor]:
        if number == 5:
            raise InterruptedError
        return step(trainer, batch, number, rate)

    with monkeypatch.context() as patched, pytest.raises(InterruptedError):
        patched.setattr(Trainer, "step", stopping)
        Run(recipe, tmp_path / "parts", photos).run(lambda report: None)
    again = Run(recipe, tmp_path / "parts", photos, resume=True)
    assert again.progress.step == 4
    again.run(lambda report: None)
    one, other = (load_file(tmp_path / name / "fidelity.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_compiled_networks_play_every_game_with_r1(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.replace("steps = 4", "steps = 4\nr1 = 1.0\nr1_every = 2"))
    for folder, more in (("plain", ()), ("compiled", ("--compile",))):
        done = train(path, photos, tmp_path / folder, *more)
        assert done.returncode == 0, done.stderr
    plain, compiled = (numbers(tmp_path / name / "ledger.csv") for name in ("plain", "compiled"))
    for one, other in zip(plain, compiled, strict=True):
        for name in ("prior.l1", "posterior.kl", "discriminator", "r1"):
            assert not one[name] or float(one[name]) == pytest.approx(float(other[name]), rel=1e-3), name


def test_r1_is_the_squared_gradient_at_real_images() -> None:
    real = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    slope = torch.linspace(-1, 1, 48).view(3, 4, 4)
    logits = ((real * slope).flatten(1).sum(dim=1, keepdim=True),)
    assert float(gradient_penalty(logits, real)) == pytest.approx(float(slope.square().sum()), rel=1e-5)


class ByKeyword(nn.Conv2d):
    """Calls the function as a plugin may."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(input=x, weight=self.weight, bias=self.bias)


@pytest.mark.parametrize(
    ("kind", "options", "taken"),
    [
        (nn.Conv2d, {}, True),
        (nn.Conv2d, {"stride": 2, "padding": 1, "padding_mode": "reflect"}, True),
        (nn.Conv2d, {"groups": 2, "dilation": (1, 2), "bias": False}, True),
        (nn.Conv2d, {"padding": "same"}, False),
        (ByKeyword, {}, True),
    ],
    ids=["plain", "strided", "grouped", "same", "keyword"],
)
def test_convolutions_made_to_be_differentiated_twice_give_the_same(
    kind: type[nn.Conv2d], options: dict[str, Any], taken: bool
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        convolution = kind(4, 6, 3, dtype=torch.float64, **options)
        real = torch.randn(2, 4, 9, 11, dtype=torch.float64, requires_grad=True)

    def found(mode: AbstractContextManager[Any]) -> list[torch.Tensor]:
        with mode:
            logits = (convolution(real).tanh(),)
        penalty = gradient_penalty(logits, real)
        return [penalty, *torch.autograd.grad(penalty, [real, *convolution.parameters()])]

    for plain, twice in zip(found(nullcontext()), found(DifferentiableTwice()), strict=True):
        assert torch.allclose(plain, twice, rtol=1e-10, atol=1e-14)
    with DifferentiableTwice():
        made = convolution(real)
        assert torch.autograd.gradgradcheck(convolution, (real[:1, :, :6, :6].detach().requires_grad_(),))
    before = made.grad_fn if convolution.bias is None else made.grad_fn.next_functions[0][0]
    assert ("_Convolution" in type(before).__name__) is taken
