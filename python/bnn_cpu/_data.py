"""Data sets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _arrays, _native
from ._flags import flags


class Part(NamedTuple):
    """Images and labels of a part of a data set."""

    #: uint8, (N, channels, height, width).
    images: npt.NDArray[np.uint8]
    #: int64, (N,); they count from 0.
    labels: npt.NDArray[np.int64]


class Dataset:
    """Images to learn from and images to test on, with their labels.

    Parameters
    ----------
    images, labels
        (N, H, W), (N, C, H, W), or (N, H, W, C) with ``layout="nhwc"``; uint8, or numbers that
        are whole from 0 to 255 or those divided by 255. Labels are integers from 0.
    test
        A pair of images and labels to test on. Without it a tenth of each class is held out,
        chosen by the content of the images alone.
    name
        How reports call it.
    class_names
        Names of the classes in the order of their labels.
    layout
        ``"nchw"`` or ``"nhwc"``.

    Raises
    ------
    ValueError
        Shapes, pixels or labels that do not fit.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        *,
        test: tuple[Any, Any] | None = None,
        name: str = "arrays",
        class_names: Sequence[str] = (),
        layout: str = "nchw",
    ) -> None:
        test_images, test_labels = (None, None) if test is None else test
        self._native = _native._Dataset(
            name,
            _arrays.pixels(images, layout),
            _arrays.labels(labels),
            None if test_images is None else _arrays.pixels(test_images, layout),
            None if test_labels is None else _arrays.labels(test_labels),
            list(class_names),
        )

    @classmethod
    def load(
        cls,
        data: str | os.PathLike[str] | None = None,
        *,
        dataset: str | None = None,
        **options: Any,
    ) -> Dataset:
        """Read what the program reads: MNIST (fetched where it is missing), or the files in
        ``data``: a folder of pictures, IDX, CIFAR, ``.npy``, ``.npz``, archives. ``dataset`` and
        the options ``size``, ``resize``, ``backdrop``, ``split_by``, ``mirror`` are the flags of
        ``bnn-cpu train``.

        Raises
        ------
        OSError
            Files that cannot be read or fetched.
        bnn_cpu.Error
            Files that hold something else.
        """
        given = {"data": data, "dataset": dataset, **options}
        return cls._of(_native._Dataset.load(flags(given)))

    @classmethod
    def _of(cls, native: _native._Dataset) -> Dataset:
        made = cls.__new__(cls)
        made._native = native
        return made

    @property
    def name(self) -> str:
        """Its name; MNIST is called so by its content alone."""
        return self._native.name

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self._native.classes

    @property
    def class_names(self) -> list[str]:
        """Names of the classes; empty where they have none."""
        return self._native.class_names

    @property
    def sha256(self) -> str:
        """What the set is known by: the SHA-256 over its images and labels."""
        return self._native.sha256

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        height, width, channels = self._native.shape
        return channels, height, width

    def _part(self, part: str) -> Part:
        images, labels = self._native.part(part)
        return Part(np.moveaxis(images, 3, 1), labels)

    @property
    def train(self) -> Part:
        """The training images, those for validation included, and their labels."""
        return self._part("train")

    @property
    def test(self) -> Part:
        """The test images and their labels."""
        return self._part("test")

    def __repr__(self) -> str:
        train, test = self._native.sizes()
        channels, height, width = self.shape
        return (
            f"<bnn_cpu.Dataset {self.name}: {train} training and {test} test images, "
            f"{height} x {width} x {channels}, {self.classes} classes>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        (images, labels), (test_images, test_labels) = (
            self._native.part("train"),
            self._native.part("test"),
        )
        return _rebuilt, (self.name, images, labels, test_images, test_labels, self.class_names)


def _rebuilt(
    name: str, images: Any, labels: Any, test_images: Any, test_labels: Any, names: list[str]
) -> Dataset:
    return Dataset(
        images,
        labels,
        test=(test_images, test_labels),
        name=name,
        class_names=names,
        layout="nhwc",
    )


#: Sets that have a name of their own in the program.
_NAMED = ("auto", "mnist", "digits", "files", "idx", "qmnist", "omniglot")


def given(data: Any, layout: str) -> tuple[Dataset | None, dict[str, Any]]:
    """What ``data=`` of a training stands for: a data set, or flags that name one."""
    if data is None:
        return None, {}
    if isinstance(data, Dataset):
        return data, {}
    if isinstance(data, str) and (data in _NAMED or data.startswith("emnist-")):
        return None, {"dataset": data}
    if isinstance(data, (str, os.PathLike)):
        return None, {"data": data}
    if isinstance(data, Mapping):
        return Dataset(**{"layout": layout, **data}), {}
    if isinstance(data, Sequence) and len(data) in (2, 4):
        test = (data[2], data[3]) if len(data) == 4 else None
        return Dataset(data[0], data[1], test=test, layout=layout), {}
    raise TypeError(
        "data must be a Dataset, (images, labels), (images, labels, test_images, test_labels), "
        "the name of a set, or the path of files"
    )
