"""Images and labels as the engine reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: Orders of the axes of images of four dimensions.
LAYOUTS = ("nchw", "nhwc")


def stored(images: Any, layout: str = "nchw") -> npt.NDArray[Any]:
    """Images (N, H, W), (N, C, H, W) or, with ``layout="nhwc"``, (N, H, W, C) in the order that
    the engine stores: (N, H, W, C). What has that order already is not copied."""
    array = np.asarray(images)
    if layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}; choose from {', '.join(LAYOUTS)}")
    if array.ndim == 3:
        return array[..., np.newaxis]
    if array.ndim != 4:
        raise ValueError(
            f"images have {array.ndim} dimensions; they must have 3, (N, height, width), or 4"
        )
    return array if layout == "nhwc" else np.moveaxis(array, 1, 3)


def pixels(images: Any, layout: str = "nchw") -> npt.NDArray[np.uint8]:
    """Images as bytes (N, H, W, C). Numbers must be whole from 0 to 255, or those divided by
    255; no value is rounded silently."""
    array = stored(images, layout)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return np.ascontiguousarray(array, np.uint8) * np.uint8(255)
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise TypeError(f"images are of {array.dtype}; they must be numbers")
    scaled = array.astype(np.float64)
    if np.issubdtype(array.dtype, np.floating) and bool((scaled <= 1.0).all()):
        scaled = scaled * 255.0
    whole = np.rint(scaled)
    wrong = ~(np.abs(scaled - whole) <= 1e-3) | (whole < 0) | (whole > 255)
    if wrong.any():
        at = tuple(int(i[0]) for i in np.nonzero(wrong))
        raise ValueError(
            f"the number {array[at]} of image {at[0]} is no pixel: they must be whole numbers from "
            "0 to 255, or those divided by 255; undo a normalisation, or give "
            "numpy.round(255 * x).astype(numpy.uint8)"
        )
    return np.ascontiguousarray(whole.astype(np.uint8))


def inputs(images: Any, layout: str, shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    """Images of a network as bytes, which become its input as its spec says, or as float32,
    which are its input. ``shape`` is (channels, height, width); a network of vectors takes rows
    (N, numbers)."""
    array = np.asarray(images)
    channels, height, width = shape
    if (
        array.ndim == 2
        and array.shape[1] == channels * height * width
        and 1
        in (
            channels,
            height * width,
        )
    ):
        array = array.reshape(len(array), height, width, channels)
    else:
        array = stored(array, layout)
    if array.shape[1:] != (height, width, channels):
        raise ValueError(
            f"images are {array.shape[1]} x {array.shape[2]} with {array.shape[3]} channels; the "
            f"network reads {height} x {width} with {channels}"
        )
    if array.dtype != np.uint8:
        array = array.astype(np.float32, copy=False)
    return np.ascontiguousarray(array)


def labels(of: Any) -> npt.NDArray[np.int64]:
    """Labels as int64; they count from 0."""
    array = np.asarray(of)
    if array.ndim != 1:
        raise ValueError(f"labels have {array.ndim} dimensions; they must have one")
    if not (np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_):
        raise TypeError(f"labels are of {array.dtype}; they must be integers")
    return np.ascontiguousarray(array, np.int64)
