"""What a traced module of PyTorch is in layers of this program."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

#: Classes, of whoever wrote them, that stand for a step function.
SIGNS = ("Sign", "BinarySign", "SignActivation", "Binarize", "BinaryActivation")
STEPS = ("Heaviside", "Step", "BinaryStep")
#: Classes whose weights are read by their signs.
BINARY_CONV = ("BinaryConv2d", "BinarizedConv2d", "QuantConv2d")
BINARY_LINEAR = ("BinaryLinear", "BinarizedLinear", "QuantLinear")

Layer = dict[str, Any]


class Builder:
    """Layers and tensors as they are collected."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.state: dict[str, npt.NDArray[Any]] = {}
        self._names: dict[str, int] = {}

    def name(self, wanted: str) -> str:
        """A name that no layer has yet: PyTorch's names have dots."""
        plain = wanted.replace(".", "_") or "layer"
        if plain[0].isdigit():
            plain = f"m{plain}"
        count = self._names.get(plain, 0)
        self._names[plain] = count + 1
        return plain if count == 0 else f"{plain}_{count}"

    def add(self, layer: Layer, wanted: str, inputs: list[str]) -> str:
        """Add a layer that reads those; returns its name."""
        name = self.name(wanted)
        self.layers.append({"name": name, **layer, "inputs": inputs})
        return name

    def tensor(self, name: str, tensor: Any) -> None:
        """Keep a tensor."""
        self.state[name] = tensor.detach().cpu().numpy()


def converted(module: Any, input: tuple[int, int, int], name: str) -> tuple[Layer, dict[str, Any]]:  # noqa: A002
    """The network and the tensors of a module."""
    import torch.fx

    class Tracer(torch.fx.Tracer):  # type: ignore[misc, unused-ignore]
        def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
            known = type(m).__name__ in {
                *MODULES,
                *SIGNS,
                *STEPS,
                *BINARY_CONV,
                *BINARY_LINEAR,
            }
            return known or bool(super().is_leaf_module(m, module_qualified_name))

    try:
        graph = Tracer().trace(module)
    except Exception as error:
        raise ValueError(f"torch.fx cannot trace the module: {error}") from error
    builder, values = Builder(), {}
    modules = dict(module.named_modules())
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = "input"
        elif node.op == "output":
            break
        else:
            values[node] = _node(builder, node, modules, values)
    channels, height, width = input
    spec = {
        "name": name,
        "input": {"channels": channels, "height": height, "width": width},
        "layers": builder.layers,
    }
    return spec, builder.state


def _node(builder: Builder, node: Any, modules: dict[str, Any], values: dict[Any, str]) -> str:
    inputs = [values[a] for a in node.all_input_nodes]
    if node.op == "call_module":
        return _module(builder, node.target, modules[node.target], inputs)
    target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if node.op == "call_function" and node.target in (operator.gt, operator.ge):
        return _step(builder, node, target, inputs)
    function = FUNCTIONS.get(target)
    if function is None:
        raise ValueError(
            f"{node.name}: there is no layer for {target}; choose from modules "
            f"{', '.join(sorted(MODULES))} and functions {', '.join(sorted(FUNCTIONS))}"
        )
    return function(builder, node, inputs)


def _module(builder: Builder, path: str, module: Any, inputs: list[str]) -> str:
    kind = type(module).__name__
    if kind in SIGNS:
        return builder.add(_unit("-1/+1"), path, inputs)
    if kind in STEPS:
        return builder.add(_unit("0/1"), path, inputs)
    if kind in BINARY_CONV or kind in BINARY_LINEAR:
        return _binary_weights(builder, path, module, inputs)
    maker = MODULES.get(kind)
    if maker is None:
        raise ValueError(
            f"{path}: there is no layer for {kind}; choose from {', '.join(sorted(MODULES))}"
        )
    return maker(builder, path, module, inputs)


def _unit(levels: str) -> Layer:
    return {"type": "binary", "mode": "det", "estimator": "st-clip", "levels": levels}


def _pair(value: Any) -> list[int]:
    return [int(value), int(value)] if isinstance(value, int) else [int(v) for v in value]


def _refuse(path: str, what: str) -> ValueError:
    return ValueError(f"{path}: {what}")


def _conv(builder: Builder, path: str, m: Any, inputs: list[str], **more: Any) -> str:
    if m.padding_mode != "zeros" or isinstance(m.padding, str):
        raise _refuse(path, f"padding {m.padding!r} by {m.padding_mode} is not known; use zeros")
    layer = {
        "type": "conv",
        "out": m.out_channels,
        "kernel": _pair(m.kernel_size),
        "stride": _pair(m.stride),
        "padding": _pair(m.padding),
        "dilation": _pair(m.dilation),
        "groups": m.groups,
        "bias": m.bias is not None,
    }
    return _weighted(builder, path, m, {**layer, **more}, inputs)


def _linear(builder: Builder, path: str, m: Any, inputs: list[str], **more: Any) -> str:
    layer = {"type": "linear", "out": m.out_features, "bias": m.bias is not None}
    return _weighted(builder, path, m, {**layer, **more}, inputs)


def _weighted(builder: Builder, path: str, m: Any, layer: Layer, inputs: list[str]) -> str:
    name = builder.add(layer, path, inputs)
    builder.tensor(f"{name}.weight", m.weight)
    if m.bias is not None:
        builder.tensor(f"{name}.bias", m.bias)
    return name


def _binary_weights(builder: Builder, path: str, m: Any, inputs: list[str]) -> str:
    """A layer whose weights are read by their signs, times a scale for each output where the
    layer says what its weights amount to."""
    import torch

    weight = m.weight.detach()
    quantised = getattr(m, "quant_weight", None)
    if quantised is not None:
        made = quantised()
        weight = getattr(made, "value", made).detach()
    else:
        weight = torch.where(weight >= 0, 1.0, -1.0)
    flat = weight.reshape(weight.shape[0], -1)
    size = flat.abs().mean(dim=1, keepdim=True)
    if not torch.allclose(flat.abs(), size.expand_as(flat), rtol=1e-5, atol=1e-7):
        raise _refuse(path, "its weights are no signs times a scale for each output")
    scaled = not torch.allclose(size, torch.ones_like(size))
    if scaled and float(size.max()) > 1.0:
        raise _refuse(path, f"a scale of {float(size.max()):.3g} is above 1")
    more = {"weights": "binary", "scale": bool(scaled)}
    is_conv = hasattr(m, "kernel_size")
    name = (_conv if is_conv else _linear)(builder, path, m, inputs, **more)
    builder.state[f"{name}.weight"] = weight.cpu().numpy()
    return name


def _batch_norm(builder: Builder, path: str, m: Any, inputs: list[str]) -> str:
    if m.running_mean is None or m.weight is None:
        raise _refuse(path, "it has no running statistics or no weight; make it affine")
    layer = {"type": "batch_norm", "eps": float(m.eps), "momentum": float(m.momentum or 0.1)}
    name = builder.add(layer, path, inputs)
    for tensor in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        builder.tensor(f"{name}.{tensor}", getattr(m, tensor))
    return name


def _pool(kind: str) -> Callable[..., str]:
    def made(builder: Builder, path: str, m: Any, inputs: list[str]) -> str:
        if any(_pair(m.padding)) or getattr(m, "ceil_mode", False):
            raise _refuse(path, "a pool with padding or ceil_mode is not known")
        if _pair(getattr(m, "dilation", 1)) != [1, 1]:
            raise _refuse(path, "a dilated pool is not known")
        layer = {"type": kind, "kernel": _pair(m.kernel_size), "stride": _pair(m.stride)}
        return builder.add(layer, path, inputs)

    return made


def _global(builder: Builder, path: str, m: Any, inputs: list[str]) -> str:
    if _pair(m.output_size) != [1, 1]:
        raise _refuse(path, f"an adaptive pool to {m.output_size} is not known, only to 1")
    return builder.add({"type": "global_avg_pool"}, path, inputs)


def _plain(**layer: Any) -> Callable[..., str]:
    def made(builder: Builder, path: str, m: Any, inputs: list[str]) -> str:
        return builder.add(layer, path, inputs)

    return made


def _hardtanh(builder: Builder, path: str, m: Any, inputs: list[str]) -> str:
    raise _refuse(path, "hardtanh is not known; units with signs need none before them")


def _prelu(builder: Builder, path: str, m: Any, inputs: list[str]) -> str:
    name = builder.add({"type": "prelu"}, path, inputs)
    builder.tensor(f"{name}.weight", m.weight)
    return name


def _dropout(builder: Builder, path: str, m: Any, inputs: list[str]) -> str:
    return builder.add({"type": "dropout", "p": float(m.p)}, path, inputs)


def _same(builder: Builder, path: str, m: Any, inputs: list[str]) -> str:
    return inputs[0]


#: Modules by the names of their classes.
MODULES: dict[str, Callable[..., str]] = {
    "AdaptiveAvgPool2d": _global,
    "AvgPool2d": _pool("avg_pool"),
    "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm,
    "Conv2d": _conv,
    "Dropout": _dropout,
    "Flatten": _plain(type="flatten"),
    "Hardtanh": _hardtanh,
    "Identity": _same,
    "Linear": _linear,
    "MaxPool2d": _pool("max_pool"),
    "PReLU": _prelu,
    "ReLU": _plain(type="activation", function="relu"),
    "Sigmoid": _plain(type="activation", function="sigmoid"),
}


def _step(builder: Builder, node: Any, target: str, inputs: list[str]) -> str:
    """``x > 0``, which a cast to float follows."""
    other = node.args[1]
    if target != "gt" or other != 0:
        raise _refuse(node.name, f"the comparison {target} with {other} is not known, only x > 0")
    return builder.add(_unit("0/1"), node.name, inputs)


def _call(**layer: Any) -> Callable[..., str]:
    def made(builder: Builder, node: Any, inputs: list[str]) -> str:
        return builder.add(layer, node.name, inputs)

    return made


def _passed(builder: Builder, node: Any, inputs: list[str]) -> str:
    return inputs[0]


def _add(builder: Builder, node: Any, inputs: list[str]) -> str:
    if len(inputs) != 2:
        raise _refuse(node.name, "only two layers can be added, no numbers")
    return builder.add({"type": "add"}, node.name, inputs)


def _cat(builder: Builder, node: Any, inputs: list[str]) -> str:
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    if dim != 1:
        raise _refuse(node.name, f"only channels, axis 1, can be concatenated, not {dim}")
    return builder.add({"type": "concat"}, node.name, inputs)


def _pooled(builder: Builder, node: Any, inputs: list[str]) -> str:
    known = {"kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"}
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    given = dict(zip(names, node.args[1:], strict=False)) | {
        name: value for name, value in node.kwargs.items() if name in known
    }
    plain = given.get("padding", 0) in (0, (0, 0)) and given.get("dilation", 1) in (1, (1, 1))
    if not plain or given.get("ceil_mode", False):
        raise _refuse(node.name, "a pool with padding, dilation or ceil_mode is not known")
    kernel = _pair(given["kernel_size"])
    stride = kernel if given.get("stride") in (None, ()) else _pair(given["stride"])
    layer = {"type": "max_pool", "kernel": kernel, "stride": stride}
    return builder.add(layer, node.name, inputs)


#: Functions and methods by their names.
FUNCTIONS: dict[str, Callable[..., str]] = {
    "add": _add,
    "cat": _cat,
    "contiguous": _passed,
    "flatten": _call(type="flatten"),
    "float": _passed,
    "boolean_dispatch": _pooled,
    "max_pool2d": _pooled,
    "relu": _call(type="activation", function="relu"),
    "sigmoid": _call(type="activation", function="sigmoid"),
    "sign": _call(**_unit("-1/+1")),
    "view": _call(type="flatten"),
    "reshape": _call(type="flatten"),
}
