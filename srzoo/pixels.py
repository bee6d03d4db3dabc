"""Between the kinds of image that a caller may hold and the (N, 3, H, W) tensor that a network takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from srzoo.errors import ImageError
from srzoo.images import OWN_COLOURS

Picture = TypeVar("Picture", Tensor, np.ndarray[Any, Any], Any)
"""A tensor, an array or a PIL image."""

_BEYOND = 0.5
"""How far a float image may reach beyond [0, 1]."""


@dataclass(frozen=True)
class Layout:
    """What is needed to give an image back as it came."""

    holder: str
    """``tensor``, ``array`` or ``pil``."""

    dtype: Any = None
    """Data type of the tensor or array."""

    device: torch.device | None = None
    """Where the tensor was."""

    batched: bool = False
    """Whether the tensor had a batch dimension."""

    gray: bool = False
    """Whether there was a single channel."""

    alpha: Any = None
    """PIL's alpha channel, at LR size."""

    info: Mapping[str, Any] = field(default_factory=dict)
    """What a PIL image said of itself that holds for the enlarged one, too: colour profile and EXIF."""


def to_tensor(image: Any, device: torch.device | None = None) -> tuple[Tensor, Layout]:
    """Any image as float RGB (N, 3, H, W) in [0, 1], a PIL image turned upright, and how to give it back.

    Raises:
        ImageError: The type, shape, data type or range is none of those that are understood.
    """
    if isinstance(image, Tensor):
        return _from_torch(image, device)
    if isinstance(image, np.ndarray):
        return _from_array(image, Layout("array"), device)
    from PIL import Image, ImageOps

    if isinstance(image, Image.Image):
        image = ImageOps.exif_transpose(image)
        if image.mode[0] in "IF":
            raise ImageError(f"a PIL image of mode {image.mode} has no 8-bit range; give a uint16 or float array")
        if image.mode in ("La", "RGBa"):
            image = image.convert(image.mode.upper())
        alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
        single = image.mode in ("1", "L", "LA")
        pixels = np.asarray(image.convert("L" if single else "RGB"))
        if alpha is not None:
            pixels = with_colours_spread(pixels, np.asarray(alpha))
        kept = ("exif", "icc_profile") if image.mode in OWN_COLOURS else ("exif",)
        info = {key: image.info[key] for key in kept if key in image.info}
        return _from_array(pixels, Layout("pil", alpha=alpha, info=info), device)
    raise ImageError(f"cannot enlarge a {type(image).__name__}; give a tensor, a numpy array or a PIL image")


def with_colours_spread(pixels: np.ndarray[Any, Any], alpha: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Pixels that have the colour of the nearest visible one wherever alpha is 0.

    What lies there, mostly black, would bleed into the edges of what is seen when both are enlarged.

    Args:
        pixels: (H, W) or (H, W, 3).
        alpha: (H, W).
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    spread: np.ndarray[Any, Any] = pixels[rows, columns]
    return spread


def _from_torch(image: Tensor, device: torch.device | None) -> tuple[Tensor, Layout]:
    if image.layout != torch.strided or image.is_meta or image.dtype.itemsize < 2:
        raise ImageError(f"a tensor image is dense, with values, not {image.layout} {image.dtype} on {image.device}")
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or not image.is_floating_point() or 0 in image.shape:
        raise ImageError(
            f"a tensor image is float (3, H, W) or (N, 3, H, W) in [0, 1], not {image.dtype} {tuple(image.shape)}"
        )
    _check_range(image.detach())
    layout = Layout("tensor", image.dtype, image.device, batched=image.ndim == 4)
    return (image if layout.batched else image[None]).to(device or image.device, torch.float32), layout


def _from_array(array: np.ndarray[Any, Any], layout: Layout, device: torch.device | None) -> tuple[Tensor, Layout]:
    if isinstance(array, np.ma.MaskedArray):
        raise ImageError("a masked array has places without a value; fill them first: array.filled(0)")
    gray = array.ndim == 2
    if not (gray or (array.ndim == 3 and array.shape[-1] == 3)) or 0 in array.shape:
        raise ImageError(f"an array image is (H, W) or (H, W, 3), not {array.shape}")
    if array.dtype.kind != "f" and array.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"an array image is uint8, uint16 or float in [0, 1], not {array.dtype}")
    if array.dtype.kind == "f":
        _check_range(array)
    top = 1.0 if array.dtype.kind == "f" else float(np.iinfo(array.dtype).max)
    values = torch.from_numpy(array.astype(np.float32) / top).to(device or "cpu")
    batch = values.expand(3, -1, -1)[None] if gray else values.permute(2, 0, 1)[None]
    return batch, replace(layout, dtype=array.dtype, gray=gray)


def _check_range(image: Any) -> None:
    """Refuse what is no image in [0, 1]; a little beyond is what filters leave."""
    lowest, highest = float(image.min()), float(image.max())
    if not isfinite(lowest) or not isfinite(highest):
        raise ImageError("a float image holds values that are not finite numbers")
    if lowest < -_BEYOND or highest > 1 + _BEYOND:
        remedy = "divide by 255 what has 256 levels, or give it as uint8" if highest > 1 + _BEYOND else "bring it there"
        raise ImageError(f"a float image is in [0, 1], and this one goes from {lowest:.4g} to {highest:.4g}: {remedy}")


def from_tensor(batch: Tensor, layout: Layout) -> Any:
    """The enlarged (N, 3, H, W) in the type that `to_tensor` was given."""
    if layout.holder == "tensor":
        out = batch.to(layout.device, layout.dtype)
        return out if layout.batched else out[0]
    values = batch[0].mean(dim=0) if layout.gray else batch[0].permute(1, 2, 0)
    array = values.cpu().numpy()
    if layout.dtype.kind != "f":
        top = np.iinfo(layout.dtype).max
        array = np.floor(array * top + 0.5)
    array = np.ascontiguousarray(array.astype(layout.dtype))
    if layout.holder == "array":
        return array
    from PIL import Image

    picture = Image.fromarray(array)
    if layout.alpha is not None:
        picture = picture.convert("LA" if layout.gray else "RGBA")
        picture.putalpha(layout.alpha.resize(picture.size, Image.Resampling.BICUBIC))
    picture.info.update(layout.info)
    return picture
