"""Networks in a training loop of one's own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arrays, _html, _native
from ._flags import flags
from ._native import Optimizer
from ._order import LAYER, ordered
from ._packed import PackedNet


class Network:
    """A network with its gradients.

    Fifteen lines train one::

        net = bnn_cpu.Network("seed-net", binary="both", mode="stoch", estimator="disarm")
        optimizer = bnn_cpu.Adam(0.002)
        for epoch in range(10):
            for i in range(0, len(x), net.batch):
                loss = net.loss(x[i : i + net.batch], y[i : i + net.batch])
                net.backward()
                net.step(optimizer)

    Parameters
    ----------
    spec
        The name of a preset (``"seed-net"``, ``"mlp"``, ``"xnor-net"``, ...), the path of a JSON
        file, or the object that such a file holds.
    input
        (channels, height, width) of an image, where ``spec`` is a preset.
    classes
        The number of classes, where ``spec`` is a preset.
    batch
        The most images of a step.
    mean, std
        By what pixels of uint8 are normalised: ``(x / 255 - mean) / std``, one number or one a
        channel. Without them they are divided by 255.
    samples
        Samples of an image in a step, for score-function estimators.
    baseline
        ``"none"``, ``"batch"``, ``"ema"``, ``"loo"`` or ``"nvil"``; by default what suits the
        estimators.
    init
        The initialiser: ``"pytorch"`` or another that ``bnn-cpu train --help`` lists.
    seed
        Of the weights and the noise.
    options
        Flags of ``bnn-cpu train`` that make a network of a preset: ``binary``, ``mode``,
        ``estimator``, ``probability``, ``levels``, ``weights``, ``pool``, ``width_last``.

    Raises
    ------
    ValueError
        A network that is impossible, with the layer's name.
    """

    def __init__(
        self,
        spec: str | os.PathLike[str] | Mapping[str, Any] = "seed-net",
        *,
        input: tuple[int, int, int] = (1, 28, 28),  # noqa: A002 - PyTorch's word for it
        classes: int = 10,
        batch: int = 64,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        samples: int = 1,
        baseline: str | None = None,
        init: str = "pytorch",
        seed: int = 1,
        **options: Any,
    ) -> None:
        if isinstance(spec, Mapping):
            if options:
                raise ValueError(
                    f"{', '.join(options)}: a network that is given as an object states its own"
                )
            text, given = json.dumps(dict(spec)), []
        else:
            text, given = None, flags({"model": spec, **options})
        pixels = None
        if mean is not None or std is not None:
            pixels = (_each(mean, 0.0), _each(std, 1.0))
        self._native = _native._Network(
            text, given, input, classes, batch, samples, baseline, init, seed, pixels
        )

    @classmethod
    def _of(cls, native: _native._Network) -> Network:
        made = cls.__new__(cls)
        made._native = native
        return made

    def forward(self, images: Any, *, layout: str = "nchw") -> npt.NDArray[np.float32]:
        """The logits (N, classes) of an evaluation: batch norms take their running statistics,
        and every binary unit is read as ``x > 0``. Of a few-shot network, its embeddings."""
        return self._native.logits_of(_arrays.inputs(images, layout, self.input))

    __call__ = forward

    def predict(self, images: Any, *, layout: str = "nchw") -> npt.NDArray[np.int64]:
        """The class of each image."""
        return np.asarray(np.argmax(self.forward(images, layout=layout), axis=1), np.int64)

    def loss(self, images: Any, labels: Any, *, layout: str = "nchw") -> float:
        """The mean loss of a training step's forward pass: batch norms take the statistics of
        the batch, and stochastic units are sampled. At most `batch` images."""
        given = _arrays.inputs(images, layout, self.input)
        return self._native.loss_of(given, _arrays.labels(labels))

    def backward(self) -> None:
        """Compute the gradients of the last `loss`, as the estimators have them."""
        self._native.backward()

    def step(self, optimizer: Optimizer) -> None:
        """Take a step of the optimiser with the gradients that are there."""
        self._native.apply(optimizer)

    @property
    def parameters(self) -> dict[str, npt.NDArray[np.float32]]:
        """The parameters by PyTorch's names and in its shapes. They are views: writing to one
        changes the network, and a step changes them."""
        return self._native.parameters()

    @property
    def gradients(self) -> dict[str, npt.NDArray[np.float32]]:
        """The gradients of the last `backward` by name, as views; an optimiser of one's own
        reads them."""
        return self._native.gradients()

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Parameters and buffers by PyTorch's names, in PyTorch's order and shapes; parameters
        are views, as in PyTorch."""
        state: dict[str, npt.NDArray[Any]] = dict(self._native.parameters())
        state.update(self._native.buffers())
        for name, count in self._native.counters().items():
            state[name] = np.asarray(count, np.int64)
        return state

    def load_state_dict(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Copy tensors into the network: NumPy arrays, or tensors of PyTorch's.

        Raises
        ------
        KeyError
            With ``strict``, a tensor that is missing or that the network does not have.
        ValueError
            A tensor of another shape.
        """
        own = self.state_dict()
        if strict:
            missing = [name for name in own if name not in state]
            beyond = [name for name in state if name not in own]
            if missing or beyond:
                texts = [f"missing: {', '.join(missing)}"] if missing else []
                texts += [f"unknown: {', '.join(beyond)}"] if beyond else []
                raise KeyError("; ".join(texts))
        arrays = {name: _array(state[name]) for name in own if name in state}
        for name, array in arrays.items():
            if array.shape != own[name].shape:
                raise ValueError(f"{name} is {array.shape}, and the network's is {own[name].shape}")
        counters = self._native.counters()
        for name, array in arrays.items():
            if name in counters:
                counters[name] = int(array)
            else:
                own[name][...] = array
        self._native.set_counters(counters)

    def layer_output(self, name: str) -> npt.NDArray[np.float32]:
        """What the layer of that name gave in the last pass: (rows, channels, height, width).

        Raises
        ------
        KeyError
            There is no such layer.
        """
        return self._native.layer_output(name)

    def pack(self) -> PackedNet:
        """The network as bits.

        Raises
        ------
        ValueError
            A layer that cannot be packed, by name.
        """
        return PackedNet._of(self._native.packed())

    @property
    def spec(self) -> dict[str, Any]:
        """The network as the object that a model file holds."""
        made: dict[str, Any] = json.loads(self._native.spec_json())
        return made

    def save_spec(self, path: str | os.PathLike[str]) -> None:
        """Write `spec` as a file that ``bnn-cpu train --model`` takes."""
        Path(path).write_text(json.dumps(self.spec, indent=1) + "\n", encoding="utf-8")

    def layers(self) -> list[dict[str, Any]]:
        """The layer table that ``bnn-cpu inspect`` prints: name, kind, output, parameters,
        multiply-adds, bytes."""
        rows: list[dict[str, Any]] = self._native.layer_table()
        return [ordered(row, LAYER) for row in rows]

    @property
    def input(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return self._native.input

    @property
    def classes(self) -> int:
        """The number of classes; 0 where the network is no classifier."""
        return self._native.classes

    @property
    def batch(self) -> int:
        """The most images of a step."""
        return self._native.batch

    @property
    def slope(self) -> float:
        """The slope of binary units, which annealing raises."""
        return self._native.slope

    @slope.setter
    def slope(self, slope: float) -> None:
        self._native.slope = slope

    @property
    def temperature(self) -> float:
        """The temperature of relaxed bits."""
        return self._native.temperature

    @temperature.setter
    def temperature(self, temperature: float) -> None:
        self._native.temperature = temperature

    @property
    def steps(self) -> int:
        """Training steps so far; they number the noise of the next one."""
        return self._native.steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self._native.steps = steps

    def __repr__(self) -> str:
        params = sum(row["params_f32"] + row["params_bit"] for row in self.layers())
        layers = len(self.layers())
        return f"<bnn_cpu.Network {self.spec['name']}: {layers} layers, {params} parameters>"

    def _repr_html_(self) -> str:
        return _html.table(self.layers())

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: np.array(array) for name, array in self.state_dict().items()}
        more = {"slope": self.slope, "temperature": self.temperature, "steps": self.steps}
        return _rebuilt, (self.spec, self.batch, state, more)


def _rebuilt(
    spec: dict[str, Any], batch: int, state: dict[str, Any], more: dict[str, Any]
) -> Network:
    net = Network(spec, batch=batch)
    net.load_state_dict(state)
    for name, value in more.items():
        setattr(net, name, value)
    return net


def _each(value: float | Sequence[float] | None, otherwise: float) -> list[float]:
    if value is None:
        return [otherwise]
    return [float(v) for v in np.atleast_1d(np.asarray(value, np.float64))]


def _array(tensor: Any) -> npt.NDArray[Any]:
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().numpy()
    return np.asarray(tensor)
