"""What each slip from the protocol costs, held against what was measured once with other programs."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from command import srzoo

from srzoo.data.pairs import ImagePair, make_pair, pairs_from_folder, sample_pairs
from srzoo.errors import DataError
from srzoo.images import write_image
from srzoo.protocol import CLASSIC, PROTOCOLS, Protocol, get_protocol, slips
from srzoo.resize import imresize
from srzoo.scoring import CV2_CUBIC, Cv2Cubic, Explanation, FinishedImages, evaluate, explain

DATA = os.environ.get("SRZOO_DATA")
needs_data = pytest.mark.skipif(
    DATA is None, reason="set SRZOO_DATA to a folder with test/Set5/X4/{HR,LR} and the like"
)

UNIFORM = "ssim_weights=uniform,ssim_window=7,ssim_covariance=sample"

TABLE = {
    "": ((28.432, 0.8113), (26.093, 0.7049)),
    "colour=rgb": ((26.696, 0.7734), (24.466, 0.6640)),
    "luma=bt601-full": ((27.110, 0.7921), (24.771, 0.6800)),
    "channel_order=bgr": ((28.605, None), (26.078, None)),
    "border=0": ((28.436, None), (25.880, None)),
    "border=10": ((28.450, None), (26.088, None)),
    "sr_rounding=none": ((28.432, None), (26.091, None)),
    "luma_rounding=uint8": ((28.419, None), (26.089, None)),
    "aggregation=mean-of-errors": ((26.684, None), (25.093, None)),
    UNIFORM: ((None, 0.8232), (None, 0.7217)),
    "ssim_edge=mirrored": ((None, 0.8108), (None, 0.7056)),
    "ssim_edge=mirrored,ssim_range=measured": ((None, 0.7876), (None, 0.6727)),
    "degradation=cv2-cubic": ((27.803, None), (25.148, None)),
    CV2_CUBIC: ((28.634, None), (26.215, None)),
}
"""PSNR and SSIM of bicubic x4 on Set5 and Set14 under each slip; Set14's gray image goes through luma throughout."""


class Bicubic:
    """A model that every published table lists; it counts what it is asked for."""

    def __init__(self, scale: int = 4) -> None:
        self.scale = scale
        self.calls = 0

    def upscale(self, image: np.ndarray) -> np.ndarray:
        self.calls += 1
        return imresize(image, scale=self.scale)


@pytest.fixture(scope="module")
def crops() -> list[ImagePair]:
    """Three crops, the last of one channel."""
    cut = [make_pair(pair.name, pair.hr[100:196, 100:220], 4) for pair in sample_pairs(4)[:3]]
    return [*cut[:2], make_pair("gray", cut[2].hr[..., 0], 4)]


@pytest.fixture(scope="module")
def explained(crops: list[ImagePair]) -> Explanation:
    return explain(Bicubic(), crops, others={CV2_CUBIC: Cv2Cubic(4)})


def rounded_once(image: np.ndarray, kernel: str, **options: object) -> np.ndarray:
    """An image resized in floats, then rounded to uint8."""
    return np.clip(np.floor(imresize(image.astype(float), kernel=kernel, **options) + 0.5), 0, 255).astype(np.uint8)


@needs_data
@pytest.mark.parametrize(("index", "name"), [(0, "Set5"), pytest.param(1, "Set14", marks=pytest.mark.slow)])
def test_the_table_of_slips_is_reproduced(index: int, name: str) -> None:
    assert DATA is not None
    base = get_protocol("classic,gray=through-luma")
    pairs = pairs_from_folder(Path(DATA, "test", name, "X4"), 4)
    rows = explain(Bicubic(), pairs, base=base, others={CV2_CUBIC: Cv2Cubic(4)}).rows
    found = {
        row.change if row.change == CV2_CUBIC else row.protocol.name: row for row in rows if row.kind != "protocol"
    }
    for slip, scores in TABLE.items():
        row = found[slip if slip == CV2_CUBIC else named(base, slip)]
        psnr, ssim = scores[index]
        assert psnr is None or row.psnr == pytest.approx(psnr, abs=0.01), slip
        assert ssim is None or row.ssim == pytest.approx(ssim, abs=0.001), slip
    gray = rows[0].psnr - found["classic"].psnr
    assert gray == pytest.approx((0, 0.0944)[index], abs=0.001)


def named(base: Protocol, slip: str) -> str:
    return get_protocol(f"{base.name},{slip}").name if slip else base.name


def test_every_row_is_what_evaluating_under_its_protocol_gives(crops: list[ImagePair], explained: Explanation) -> None:
    assert [row.protocol for row in explained.rows[:6]] == list(PROTOCOLS.values())
    assert [row.protocol for row in explained.rows[6:-1]] == [slip.protocol for slip in slips(CLASSIC)]

    class OneRounding(Bicubic):
        """As a network: whatever it is fed, it computes in floats."""

        def upscale(self, image: np.ndarray) -> np.ndarray:
            if image.dtype != np.uint8:
                return super().upscale(image)
            return np.clip(np.floor(super().upscale(image.astype(np.float32) / 255) * 255 + 0.5), 0, 255).astype(
                np.uint8
            )

    for row in explained.rows[:-1]:
        mean = evaluate(OneRounding(), crops, protocol=row.protocol).mean
        assert [row.psnr, row.ssim] == pytest.approx(list(mean.values())[:2], abs=1e-9), row.protocol.name


def test_each_lr_is_enlarged_once(crops: list[ImagePair]) -> None:
    model = Bicubic()
    explain(model, crops)
    # Once from the LR of the pair, once from cv2's, once from luma; the gray image's luma is once more another image
    # where gray files are scored as RGB files, which no protocol that starts from luma does.
    assert model.calls == 3 * len(crops)


def test_cv2_cubic_is_that_of_opencv(crops: list[ImagePair]) -> None:
    cv2 = pytest.importorskip("cv2")
    for pair in crops:
        height, width = pair.lr.shape[:2]
        small = cv2.resize(pair.hr, (width, height), interpolation=cv2.INTER_CUBIC)
        ours = rounded_once(pair.hr, "cv2-cubic", size=(height, width), edge="clamp")
        # OpenCV computes uint8 with weights of 11 bits.
        assert np.abs(small.astype(int) - ours).max() <= 1 and np.mean(small != ours) < 0.02
        large = cv2.resize(pair.lr, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
        ours = rounded_once(pair.lr, "cv2-cubic", scale=4, edge="clamp")
        assert np.abs(large.astype(int) - ours).max() <= 1 and np.mean(large != ours) < 0.02


def test_differences_are_to_the_base_and_json_is_strict(crops: list[ImagePair], explained: Explanation) -> None:
    rows = json.loads(json.dumps(explained.to_dict(), allow_nan=False))["rows"]
    assert [row["kind"] for row in rows].count("base") == 1 and rows[0]["psnr_difference"] == 0
    for row in rows:
        assert row["psnr_difference"] == pytest.approx(row["psnr"] - rows[0]["psnr"])
        assert get_protocol(row["protocol"]).hash == row["hash"]
    assert rows[-1]["change"] == CV2_CUBIC and all(row["change"] for row in rows[1:])

    class Perfect(Bicubic):
        def upscale(self, image: np.ndarray) -> np.ndarray:
            self.calls += 1
            return crops[0].hr.astype(np.float32) / 255

    perfect = explain(Perfect(), crops[:1])
    assert perfect.rows[0].psnr == math.inf and perfect.differences(perfect.rows[0])[0] is None
    assert json.loads(json.dumps(perfect.to_dict(), allow_nan=False))["rows"][0]["psnr"] == "inf"


def test_finished_images_leave_out_what_needs_a_model(tmp_path: Path, crops: list[ImagePair]) -> None:
    for pair in crops:
        sr = rounded_once(pair.lr, "bicubic", scale=4)
        write_image(tmp_path / f"{pair.name}x4.png", sr)
    there = explain(FinishedImages(tmp_path, 4), crops)
    made = {row.protocol.name: row for row in explain(Bicubic(), crops).rows}
    assert "cannot be made again" in there.left_out[0] and len(there.rows) == len(made) - 3
    for row in there.rows:
        assert [row.psnr, row.ssim] == pytest.approx([made[row.protocol.name].psnr, made[row.protocol.name].ssim])


def test_a_slip_that_images_are_too_small_for_is_left_out(crops: list[ImagePair]) -> None:
    small = [make_pair("small", crops[0].hr[:28, :28], 4)]
    explained = explain(Bicubic(), small)
    assert explained.left_out == ("classic,border=10: an image of 28 pixels is too small",)
    assert "classic,border=10" not in {row.protocol.name for row in explained.rows}
    with pytest.raises(DataError, match="small: HR 16x16 is too small to be scored: x4 needs 19"):
        explain(Bicubic(), [make_pair("small", crops[0].hr[:16, :16], 4)])


def test_the_command_prints_the_table(tmp_path: Path, crops: list[ImagePair]) -> None:
    for pair in crops:
        write_image(tmp_path / f"{pair.name}.png", pair.hr)
    words = ("eval", "bicubic", "--data", ".", "--explain-protocol", "--device", "cpu")
    shown = srzoo(*words, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0] == "bicubic, x4, 3 images"
    assert lines[2].startswith("protocol classic ") and any(line.startswith("protocol skimage: ") for line in lines)
    for change in ("no border cropped", "SSIM with a uniform 7x7 window", CV2_CUBIC, "single-channel files scored as"):
        assert any(line.startswith(change) for line in lines)
    scored = json.loads(srzoo("eval", "bicubic", "--data", ".", "--json", "--device", "cpu", cwd=tmp_path).stdout)
    rows = json.loads(srzoo(*words, "--json", cwd=tmp_path).stdout)["rows"]
    assert [rows[0]["psnr"], rows[0]["ssim"]] == pytest.approx([scored["mean"]["psnr_y"], scored["mean"]["ssim_y"]])
    nearest = srzoo("eval", "nearest", *words[2:], "--protocol", "skimage", cwd=tmp_path).stdout
    assert CV2_CUBIC not in nearest and "protocol skimage " in nearest.splitlines()[2]
    refused = srzoo(*words, "--metrics", "psnr_y", cwd=tmp_path)
    assert refused.returncode == 2 and "leave out --metrics" in refused.stderr
