"""Networks in loops of one's own, optimisers, views, state dicts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import bnn_cpu


def trained(digits: bnn_cpu.Dataset, steps: int = 60, **options: Any) -> bnn_cpu.Network:
    """A network after a few steps."""
    net = bnn_cpu.Network("mlp", batch=50, **options)
    optimizer = bnn_cpu.Adam(0.01)
    x, y = digits.train
    for step in range(steps):
        at = slice(step * 50 % 600, step * 50 % 600 + 50)
        net.loss(x[at], y[at])
        net.backward()
        net.step(optimizer)
    return net


@pytest.mark.parametrize(
    "options",
    [
        {"binary": "both"},
        {"mode": "stoch", "estimator": "disarm"},
        {"mode": "stoch", "estimator": "reinforce", "samples": 4},
        {"mode": "stoch", "estimator": "rebar"},
    ],
)
def test_a_loop_of_ones_own_learns(digits: bnn_cpu.Dataset, options: dict[str, Any]) -> None:
    x, y = digits.train
    before = bnn_cpu.Network("mlp", batch=50, **options).loss(x[:50], y[:50])
    net = trained(digits, 120, **options)
    assert net.loss(x[:50], y[:50]) < 0.9 * before
    assert net.steps == 120


def test_parameters_are_views(digits: bnn_cpu.Dataset) -> None:
    net = bnn_cpu.Network("mlp")
    x = digits.test.images[:8]
    weight = net.parameters["fc2.weight"]
    assert weight.shape == (10, 100) and weight.flags.writeable
    weight[...] = 0
    net.parameters["fc2.bias"][...] = np.arange(10)
    assert np.array_equal(net.forward(x), np.tile(np.arange(10, dtype=np.float32), (8, 1)))
    # A view keeps the network's memory alive.
    del net
    assert not weight.any()


def test_gradients_are_those_of_the_loss(digits: bnn_cpu.Dataset) -> None:
    net = bnn_cpu.Network("mlp", binary="none", batch=16)
    x, y = digits.train.images[:16], digits.train.labels[:16]
    net.loss(x, y)
    net.backward()
    for name, at in [("fc1.weight", (3, 400)), ("fc2.weight", (5, 7)), ("fc2.bias", (2,))]:
        gradient, value = float(net.gradients[name][at]), net.parameters[name]
        losses = []
        for by in (1e-2, -1e-2):
            kept = float(value[at])
            value[at] = kept + by
            losses.append(net.loss(x, y))
            value[at] = kept
        assert (losses[0] - losses[1]) / 2e-2 == pytest.approx(gradient, rel=0.02, abs=2e-5)


def test_an_optimiser_of_ones_own_reads_gradients(digits: bnn_cpu.Dataset) -> None:
    """SGD in NumPy is SGD here."""
    x, y = digits.train
    ours, theirs = (bnn_cpu.Network("mlp", batch=50, seed=3) for _ in range(2))
    optimizer = bnn_cpu.SGD(0.1, momentum=0.0)
    for i in range(0, 300, 50):
        for net in (ours, theirs):
            net.loss(x[i : i + 50], y[i : i + 50])
            net.backward()
        ours.step(optimizer)
        for name, value in theirs.parameters.items():
            value -= np.float32(0.1) * theirs.gradients[name]
    for name, value in ours.parameters.items():
        np.testing.assert_allclose(value, theirs.parameters[name], rtol=1e-4, atol=1e-6)


def test_state_dicts_go_round(digits: bnn_cpu.Dataset) -> None:
    x = digits.test.images
    first = bnn_cpu.Network("seed-net", seed=1, batch=50)
    first.loss(digits.train.images[:50], digits.train.labels[:50])
    second = bnn_cpu.Network("seed-net", seed=2, batch=50)
    assert not np.array_equal(first.forward(x), second.forward(x))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert np.array_equal(first.forward(x), second.forward(x))
    assert int(second.state_dict()["bn1.num_batches_tracked"]) == 1
    state = dict(first.state_dict())
    bias = state.pop("fc.bias")
    with pytest.raises(KeyError, match=r"fc\.bias"):
        second.load_state_dict(state)
    with pytest.raises(KeyError, match="more"):
        second.load_state_dict({**state, "fc.bias": bias, "more": bias})
    with pytest.raises(ValueError, match=r"fc\.bias"):
        second.load_state_dict({**state, "fc.bias": bias[:3]})
    second.load_state_dict(state, strict=False)


def test_networks_pickle_and_copy(digits: bnn_cpu.Dataset) -> None:
    net = trained(digits)
    net.slope = 2.5
    again = pickle.loads(pickle.dumps(net))
    assert again.slope == 2.5 and again.steps == net.steps
    assert np.array_equal(net.forward(digits.test.images), again.forward(digits.test.images))


def test_a_network_given_as_an_object(digits: bnn_cpu.Dataset, tmp_path: Any) -> None:
    spec = bnn_cpu.Network("mlp").spec
    spec["layers"][0]["out"] = 12
    spec["layers"][2]["name"] = "head"
    net = bnn_cpu.Network(spec)
    assert net.parameters["fc1.weight"].shape == (12, 784)
    net.save_spec(tmp_path / "net.json")
    again = bnn_cpu.Network(tmp_path / "net.json")
    assert again.spec == net.spec
    run = bnn_cpu.train(spec, data=digits, epochs=1, out=False, progress=False)
    assert "head.weight" in run.network.parameters
    assert "<table" in net._repr_html_() and "params" in net._repr_html_()


def test_float_input_enters_as_it_is(digits: bnn_cpu.Dataset) -> None:
    net = bnn_cpu.Network("mlp", mean=0.25, std=0.5)
    x = digits.test.images[:20]
    as_floats = (x.astype(np.float32) / 255 - np.float32(0.25)) / np.float32(0.5)
    np.testing.assert_allclose(net.forward(x), net.forward(as_floats), rtol=1e-5, atol=1e-5)


def test_layer_outputs_have_pytorchs_axes(digits: bnn_cpu.Dataset) -> None:
    net = bnn_cpu.Network("seed-net", batch=20)
    logits = net.forward(digits.test.images[:20])
    assert np.array_equal(net.layer_output("fc"), logits.reshape(20, 10, 1, 1))
    with pytest.raises(ValueError, match="together"):
        net.layer_output("conv1")
    small = {
        "name": "small",
        "input": {"channels": 1, "height": 28, "width": 28},
        "layers": [
            {"type": "conv", "name": "c", "out": 3, "kernel": 5},
            {"type": "activation", "name": "r", "function": "relu"},
            {"type": "linear", "name": "fc", "out": 10},
        ],
    }
    net = bnn_cpu.Network(small, batch=20)
    net.forward(digits.test.images[:20])
    assert net.layer_output("c").shape == (20, 3, 24, 24)
    assert np.array_equal(net.layer_output("r"), np.maximum(net.layer_output("c"), 0))
    with pytest.raises(KeyError, match="nope"):
        net.layer_output("nope")


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda: bnn_cpu.Network("nope"), ValueError, "nope"),
        (lambda: bnn_cpu.Network("mlp", batch=0), ValueError, "at least 1"),
        (lambda: bnn_cpu.Network({"layers": []}), ValueError, "network"),
        (lambda: bnn_cpu.Network("mlp", baseline="x"), ValueError, "baseline"),
        (lambda: bnn_cpu.Network("mlp", estimator="nope"), ValueError, "nope"),
        (lambda: bnn_cpu.Network({}, binary="both"), ValueError, "states its own"),
        (lambda: bnn_cpu.SGD(-1), ValueError, "lr"),
        (lambda: bnn_cpu.Adam(0.1, betas=(2.0, 0.9)), ValueError, "beta1"),
        (lambda: bnn_cpu.Network("mlp").forward(np.zeros((2, 3, 3), np.uint8)), ValueError, "28"),
        (
            lambda: bnn_cpu.Network("mlp").loss(np.zeros((2, 28, 28), np.uint8), [0, 10]),
            ValueError,
            "label",
        ),
        (
            lambda: bnn_cpu.Network("mlp", batch=1).loss(np.zeros((2, 28, 28), np.uint8), [0, 1]),
            ValueError,
            "batch",
        ),
        (lambda: bnn_cpu.set_threads(5000), ValueError, "threads"),
    ],
)
def test_mistakes_are_one_line(call: Any, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as error:
        call()
    assert len(str(error.value).splitlines()) == 1
