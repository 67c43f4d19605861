"""Packed networks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arrays, _html, _native


class PackedNet:
    """A trained network as bits: thresholds, and XNOR and popcount where weights are binary.

    Parameters
    ----------
    file
        A packed file, as ``bnn-cpu pack`` writes it, or its bytes.

    Raises
    ------
    OSError
        A file that cannot be read.
    bnn_cpu.Error, ValueError
        A file, or bytes, that are no packed network or are damaged.
    """

    __slots__ = ("_native", "_shape", "_single")

    def __init__(self, file: str | os.PathLike[str] | bytes) -> None:
        given = file if isinstance(file, bytes) else Path(file)
        self._set(_native._PackedNet(given))

    def _set(self, native: _native._PackedNet) -> None:
        self._native = native
        self._shape: tuple[int, int, int] = native.shape
        height, width, channels = self._shape
        # An image of one channel is the same numbers in either layout.
        self._single = {(height, width)} if channels == 1 else set()

    @classmethod
    def _of(cls, native: _native._PackedNet) -> PackedNet:
        made = cls.__new__(cls)
        made._set(native)
        return made

    def _images(self, images: Any, layout: str) -> tuple[npt.NDArray[np.uint8], bool]:
        """The images as stored, and whether they are a single one."""
        array = np.asarray(images)
        height, width, channels = self._shape
        if array.dtype != np.uint8:
            raise TypeError(f"images are of {array.dtype}; they must be pixels of uint8, 0 to 255")
        one = (channels, height, width) if layout == "nchw" else (height, width, channels)
        single = array.shape == one or (channels == 1 and array.shape == (height, width))
        if single:
            array = array[np.newaxis]
        if array.ndim == 2 and channels == 1 and array.shape[1] == height * width:
            array = array.reshape(-1, height, width)
        array = _arrays.stored(array, layout)
        if array.shape[1:] != self._shape:
            raise ValueError(
                f"images are {array.shape[1]} x {array.shape[2]} with {array.shape[3]} channels; "
                f"the network reads {height} x {width} with {channels}"
            )
        return np.ascontiguousarray(array), single

    def classify(self, images: Any, *, layout: str = "nchw", threads: int | None = None) -> Any:
        """The class of a single image (height, width) or (channels, height, width) as an int, or
        an array of the classes of a batch. Pixels are uint8; contiguous ones are not copied.

        A class is -1 where a logit is not a number.
        """
        # The way of one contiguous image, which is to cost no more than a microsecond or two.
        plain = type(images) is np.ndarray and images.dtype == np.uint8
        if plain and images.shape in self._single and images.flags.c_contiguous:
            found = self._native.class_of(images)
            return -1 if found is None else found
        array, single = self._images(images, layout)
        classes = self._native.classes_of(array, threads)
        return int(classes[0]) if single else classes

    def logits(
        self, images: Any, *, layout: str = "nchw", threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """The logits: (classes,) of a single image, (N, classes) of a batch."""
        array, single = self._images(images, layout)
        logits = self._native.logits_of(array, threads)
        return logits[0] if single else logits

    def probabilities(
        self, images: Any, *, layout: str = "nchw", threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """The softmax of the logits."""
        z = self.logits(images, layout=layout, threads=threads)
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return np.asarray(e / e.sum(axis=-1, keepdims=True), np.float32)

    def embed(
        self, images: Any, *, layout: str = "nchw", threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """The embeddings of a few-shot network: (width,) of a single image, (N, width) of a
        batch.

        Raises
        ------
        ValueError
            The network is a classifier.
        """
        if not self._native.embeds:
            raise ValueError(f"{self.name} is a classifier and has no embeddings; use logits")
        return self.logits(images, layout=layout, threads=threads)

    @property
    def name(self) -> str:
        """The name of the network."""
        return self._native.name

    @property
    def input(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        height, width, channels = self._shape
        return channels, height, width

    @property
    def classes(self) -> int:
        """The number of classes, or of numbers in an embedding."""
        return self._native.classes

    @property
    def isa(self) -> str:
        """The instruction set of the kernels in use."""
        return self._native.isa

    def to_bytes(self) -> bytes:
        """The packed file as bytes."""
        return self._native.to_bytes()

    def save(self, path: str | os.PathLike[str]) -> int:
        """Write the packed file, whole or not at all; returns its size in bytes."""
        return self._native.save(Path(path))

    def __repr__(self) -> str:
        return (
            f"<bnn_cpu.PackedNet {self.name}: {len(self.to_bytes())} bytes, "
            f"{self.classes} classes, {self.isa} kernels>"
        )

    def _repr_html_(self) -> str:
        rows = [
            {"stage": name, "output": output, "of": kind}
            for name, output, kind in self._native.stages()
        ]
        return _html.table(rows, caption=repr(self)[1:-1])

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedNet, (self.to_bytes(),)
