"""MATLAB's imresize, to the last bit, and its tensor form."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from srzoo.data.pairs import sample_pairs
from srzoo.errors import UsageError
from srzoo.images import list_images, read_image
from srzoo.resize import holding, imresize, resize_tensor

torch = pytest.importorskip("torch")

DATA = os.environ.get("SRZOO_DATA")
needs_data = pytest.mark.skipif(
    DATA is None, reason="set SRZOO_DATA to a folder with test/Set5/X4/{HR,LR} and the like"
)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return sample_pairs(4)[1].hr


def differing_files(name: str, scale: int, folder: str, edge: str) -> list[str]:
    assert DATA is not None
    base = Path(DATA, "test", name, f"X{scale}")
    pairs = zip(list_images(base / "HR"), list_images(base / folder), strict=True)
    return [
        hr.name
        for hr, lr in pairs
        if not np.array_equal(imresize(read_image(hr).pixels, scale=1 / scale, edge=edge), read_image(lr).pixels)
    ]


@needs_data
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("folder", "edge"), [("LR", "clamp"), ("LR_newMATLAB", "symmetric")])
def test_set5_is_reproduced_pixel_for_pixel(scale: int, folder: str, edge: str) -> None:
    assert differing_files("Set5", scale, folder, edge) == []


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("folder", "edge"), [("LR", "clamp"), ("LR_newMATLAB", "symmetric")])
def test_set14_is_reproduced_pixel_for_pixel(scale: int, folder: str, edge: str) -> None:
    assert differing_files("Set14", scale, folder, edge) == []


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 4])
def test_bsd100_is_reproduced_pixel_for_pixel(scale: int) -> None:
    assert differing_files("BSD100", scale, "LR", "clamp") == []


def test_the_wrong_edge_rule_changes_only_the_border(photo: np.ndarray) -> None:
    clamped, mirrored = (imresize(photo, scale=0.25, edge=edge) for edge in ("clamp", "symmetric"))
    assert not np.array_equal(clamped, mirrored)
    np.testing.assert_array_equal(clamped[2:-2, 2:-2], mirrored[2:-2, 2:-2])


def test_enlarging_by_two_has_the_known_bicubic_weights() -> None:
    impulse = np.zeros((1, 9))
    impulse[0, 4] = 1.0
    enlarged = imresize(impulse, size=(1, 18))[0]
    expected = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 128
    np.testing.assert_allclose(enlarged[5:13], expected, atol=1e-15)
    assert np.count_nonzero(enlarged) == 8


def test_each_pass_of_uint8_is_rounded_half_upward() -> None:
    pixels = np.array([[0, 1], [0, 0]], np.uint8)
    # Rows first: 0.5 becomes 1; then columns: (0 + 1) / 2 becomes 1. Rounded once at the end it would be 0.
    assert imresize(pixels, scale=0.5, kernel="bicubic", edge="clamp")[0, 0] == 1
    assert imresize(pixels.astype(float), scale=0.5, edge="clamp")[0, 0] < 0.5


def test_overshoot_is_clipped_for_uint8_only() -> None:
    step = np.repeat(np.array([[0, 0, 0, 255, 255, 255]], np.uint8), 6, axis=0)
    assert imresize(step, scale=4).max() == 255
    assert imresize(step.astype(np.float32), scale=4).max() > 255


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos3", "nearest"])
@pytest.mark.parametrize("edge", ["clamp", "symmetric"])
def test_a_flat_image_stays_flat(kernel: str, edge: str) -> None:
    for size in [(4, 4), (1, 1), (3, 29)]:
        np.testing.assert_array_equal(
            imresize(np.full((7, 5), 200, np.uint8), size=size, kernel=kernel, edge=edge), 200
        )


def test_mirrored_input_gives_mirrored_output(photo: np.ndarray) -> None:
    pixels = photo[:48, :60].astype(np.float64)
    for scale in (Fraction(1, 3), 3, 2.5):
        mirrored = imresize(pixels[::-1, ::-1], scale=scale)[::-1, ::-1]
        np.testing.assert_allclose(mirrored, imresize(pixels, scale=scale), atol=1e-10)


def test_nearest_repeats_pixels(photo: np.ndarray) -> None:
    expected = photo[:20, :20].repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_array_equal(imresize(photo[:20, :20], scale=3, kernel="nearest"), expected)


def test_a_fractional_scale_rounds_the_size_up() -> None:
    pixels = np.zeros((100, 99))
    assert imresize(pixels, scale=Fraction(1, 3)).shape == (34, 33)
    assert imresize(pixels, scale=1 / 3).shape == (34, 33)


def test_one_pixel_can_be_enlarged() -> None:
    np.testing.assert_array_equal(imresize(np.full((1, 1, 3), 7, np.uint8), scale=4), np.full((4, 4, 3), 7))
    torch.testing.assert_close(resize_tensor(torch.full((1, 3, 1, 1), 0.7), (4, 4)), torch.full((1, 3, 4, 4), 0.7))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either scale or size"),
        ({"scale": 2, "size": (2, 2)}, "either scale or size"),
        ({"scale": 0}, "above 0"),
        ({"size": (0, 3)}, "at least 1x1"),
        ({"scale": 2, "kernel": "cubic"}, "bicubic, lanczos3, nearest"),
        ({"scale": 2, "edge": "zero"}, "clamp or symmetric"),
    ],
)
def test_bad_arguments_are_named(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        imresize(np.zeros((4, 4)), **options)


def test_bad_arrays_are_named() -> None:
    with pytest.raises(UsageError, match="int64"):
        imresize(np.zeros((4, 4), np.int64), scale=2)
    with pytest.raises(UsageError, match="non-empty"):
        imresize(np.zeros((4, 0)), scale=2)
    with pytest.raises(UsageError, match="float"):
        resize_tensor(torch.zeros(3, 4, 4), (8, 8))


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos3", "nearest"])
@pytest.mark.parametrize("edge", ["clamp", "symmetric"])
@pytest.mark.parametrize("size", [(16, 20), (600, 200), (1, 1), (64, 77)])
def test_the_tensor_form_agrees_with_the_array_form(photo: np.ndarray, kernel: str, edge: str, size: tuple) -> None:
    array = photo[:64, :50] / 255
    tensor = torch.from_numpy(array).permute(2, 0, 1)[None]
    resized = resize_tensor(tensor, size, kernel, edge)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(resized, imresize(array, size=size, kernel=kernel, edge=edge), atol=1e-12)


def test_the_tensor_form_is_differentiable_after_prediction() -> None:
    with torch.inference_mode():
        resize_tensor(torch.rand(1, 3, 9, 11), (36, 44))
    image = torch.rand(1, 3, 9, 11, requires_grad=True)
    resize_tensor(image, (36, 44)).sum().backward()
    torch.testing.assert_close(image.grad.sum(), torch.tensor(3.0 * 36 * 44), rtol=1e-5, atol=0)


def test_the_gradient_is_the_exact_adjoint() -> None:
    image = torch.rand(1, 2, 7, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda tensor: resize_tensor(tensor, (11, 4)), image)


def test_half_precision_loses_nothing_but_the_last_rounding() -> None:
    image = torch.rand(1, 3, 16, 16).to(torch.bfloat16)
    expected = resize_tensor(image.float(), (64, 64))
    assert torch.equal(resize_tensor(image, (64, 64)), expected.to(torch.bfloat16))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(resize_tensor(image.float(), (64, 64)), expected)


def test_shapes_are_known_on_the_meta_device_and_nothing_leaks_from_it() -> None:
    with torch.device("meta"):
        assert resize_tensor(torch.rand(2, 3, 5, 6), (20, 24)).shape == (2, 3, 20, 24)
    assert resize_tensor(torch.rand(2, 3, 5, 6), (20, 24)).device.type == "cpu"


def test_exporting_leaves_nothing_in_the_cache() -> None:
    class Bicubic(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return resize_tensor(image, (image.shape[-2] * 4, image.shape[-1] * 4))

    image = torch.rand(1, 3, 13, 17)
    exported = torch.export.export(Bicubic(), (image,)).module()
    assert torch.equal(exported(image), Bicubic()(image))


def test_what_a_recording_multiplies_by_is_told_to_it() -> None:
    image = torch.rand(1, 3, 8, 12)
    with holding() as held:
        resize_tensor(image, (16, 24))
        resize_tensor(image, (8, 6))
    resize_tensor(image, (4, 6))
    assert [matrices[-1][2].shape for matrices in held] == [(16, 8), (24, 12), (6, 12)]
