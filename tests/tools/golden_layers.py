"""Golden values of small networks, computed by PyTorch in float64: tests/golden/layers.safetensors.

    pip install torch numpy
    python tests/tools/golden_layers.py

Each case is a network of one's spec files, and `build` evaluates the spec with PyTorch's own
functions.  Case NAME has tensors NAME.x, NAME.labels, NAME.loss (a number a row), and for
each parameter P NAME.P and NAME.dP, the gradient of the mean loss; further inputs are
NAME.in.INPUT.  metadata[NAME] is a JSON object with the spec and the slope.  Shapes are
PyTorch's (N, C, H, W).  Networks begin with a layer that has parameters, so that their
gradients show the gradients with respect to the inputs of all layers behind.
"""

from typing import Any

import torch
import torch.nn.functional as F
from golden import StraightThrough, Tensors, draw, generator, save

TENSORS: Tensors = {}
META: dict[str, Any] = {}


def sides(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


class Net:
    """A spec, evaluated layer by layer; parameters are drawn as they are met."""

    def __init__(self, spec: dict[str, Any], seed: int, slope: float, rows: int):
        self.spec, self.slope = spec, slope
        self.rng = generator(seed)
        self.params: dict[str, torch.Tensor] = {}
        self.inputs: dict[str, torch.Tensor] = {}
        shape = spec["input"]
        self.x = draw(self.rng, rows, *[shape[side] for side in ("channels", "height", "width")])
        self.labels = torch.randint(3, (rows,), generator=self.rng)

    def param(self, name: str, *shape: int, scale: float = 1.0) -> torch.Tensor:
        value = draw(self.rng, *shape, scale=scale).float().double().requires_grad_()
        self.params[name] = value
        return value

    def run(self) -> torch.Tensor:
        values = {"input": self.x}
        before = self.x
        for layer in self.spec["layers"]:
            inputs = [values[name] for name in layer.get("inputs", [])] or [before]
            before = getattr(self, layer["type"])(layer, *inputs)
            values[layer.get("name", "")] = before
        assert before.shape == (len(self.x),)
        return before

    def input(self, layer, _before):
        shape = layer["shape"]
        rows = len(self.x)
        value = torch.rand(rows, *[shape[side] for side in ("channels", "height", "width")],
                           generator=self.rng).double()
        self.inputs[layer["name"]] = value
        return value

    def conv(self, layer, x):
        kernel, groups, cin = sides(layer["kernel"]), layer.get("groups", 1), x.shape[1]
        taps = cin // groups * kernel[0] * kernel[1]
        weight = self.param(f"{layer['name']}.weight", layer["out"], cin // groups, *kernel, scale=taps**-0.5)
        bias = self.param(f"{layer['name']}.bias", layer["out"]) if layer.get("bias", True) else None
        pad = sides(layer.get("padding", 0))
        x = F.pad(x, (pad[1], pad[1], pad[0], pad[0]), value=layer.get("border", 0))
        return F.conv2d(x, weight, bias, stride=sides(layer.get("stride", 1)),
                        dilation=sides(layer.get("dilation", 1)), groups=groups)

    def linear(self, layer, x):
        x = x.flatten(1)
        weight = self.param(f"{layer['name']}.weight", layer["out"], x.shape[1], scale=x.shape[1] ** -0.5)
        return F.linear(x, weight, self.param(f"{layer['name']}.bias", layer["out"]))

    def add(self, _layer, *xs):
        return sum(xs[1:], xs[0])

    def concat(self, _layer, *xs):
        return torch.cat(xs, dim=1)

    def flatten(self, _layer, x):
        return x.flatten(1)

    def avg_pool(self, layer, x):
        return F.avg_pool2d(x, sides(layer["kernel"]), sides(layer.get("stride", layer["kernel"])))

    def max_pool(self, layer, x):
        return F.max_pool2d(x, sides(layer["kernel"]), sides(layer.get("stride", layer["kernel"])))

    def global_avg_pool(self, _layer, x):
        return F.adaptive_avg_pool2d(x, 1)

    def prelu(self, layer, x):
        return F.prelu(x, self.param(f"{layer['name']}.weight", x.shape[1]))

    def shift(self, layer, x):
        return x + self.param(f"{layer['name']}.bias", x.shape[1]).view(1, -1, *[1] * (x.dim() - 2))

    def binary(self, layer, x):
        # A number this near to a tie could round to either side in float32.
        assert x.abs().min() > 1e-4 and ((self.slope * x).abs() - 1).abs().min() > 1e-4
        h = StraightThrough.apply(x, self.slope)
        return 2 * h - 1 if layer.get("levels") == "-1/+1" else h

    def cross_entropy(self, layer, z):
        smoothing = layer.get("label_smoothing", 0.0)
        return F.cross_entropy(z.flatten(1), self.labels, reduction="none", label_smoothing=smoothing)

    def mse(self, _layer, x, t):
        return F.mse_loss(x.flatten(1), t.flatten(1), reduction="none").mean(1)

    def bernoulli_nll(self, _layer, z, t):
        loss = F.binary_cross_entropy_with_logits(z.flatten(1), t.flatten(1), reduction="none")
        return loss.sum(1)

    def kl_bernoulli(self, _layer, x, y=None):
        bernoulli = lambda x: torch.distributions.Bernoulli(logits=self.slope * x.flatten(1))
        y = torch.zeros_like(x) if y is None else y
        return torch.distributions.kl_divergence(bernoulli(x), bernoulli(y)).sum(1)

    def weighted_sum(self, layer, *losses):
        return sum(w * loss for w, loss in zip(layer["weights"], losses, strict=True))


def case(name: str, seed: int, shape: tuple[int, int, int], layers: list[dict[str, Any]],
         slope: float = 1.0, rows: int = 5) -> None:
    size = dict(zip(("channels", "height", "width"), shape))
    spec = {"name": name, "input": size, "layers": layers}
    net = Net(spec, seed, slope, rows)
    loss = net.run()
    loss.mean().backward()
    META[name] = {"spec": spec, "slope": slope}
    tensors = {"x": net.x, "labels": net.labels.to(torch.uint8), "loss": loss}
    tensors |= {f"in.{key}": value for key, value in net.inputs.items()}
    for key, value in net.params.items():
        tensors |= {key: value, f"d{key}": value.grad}
    TENSORS.update({f"{name}.{key}": tensor for key, tensor in tensors.items()})


def layer(kind: str, name: str | None = None, inputs: list[str] | None = None, **settings) -> dict[str, Any]:
    named = {"name": name} if name else {}
    return {"type": kind} | named | ({"inputs": inputs} if inputs else {}) | settings


HEAD = [layer("linear", "fc", out=3), layer("cross_entropy", "loss")]


def main() -> None:
    first = layer("conv", "first", out=4, kernel=3, padding=1)
    case("skip", 1, (2, 6, 5), [
        first, layer("prelu", "p"), layer("conv", "c", out=4, kernel=3, padding=1),
        layer("shift", "s"), layer("add", "sum", ["s", "p", "first"]), *HEAD])
    case("branches", 2, (1, 8, 6), [
        first, layer("avg_pool", "a", kernel=2), layer("max_pool", "m", ["first"], kernel=2),
        layer("concat", "both", ["a", "m", "a"]), layer("prelu", "p"), *HEAD])
    case("average_over_all", 3, (3, 5, 7), [first, layer("prelu", "p"), layer("global_avg_pool"), *HEAD])
    case("uneven_average", 4, (2, 9, 8), [first, layer("avg_pool", kernel=[3, 2], stride=[2, 1]), *HEAD])
    case("uneven_maximum", 5, (2, 9, 8), [first, layer("max_pool", kernel=[2, 3], stride=[1, 2]), *HEAD])
    case("groups", 6, (2, 7, 6), [
        first, layer("conv", "c", out=6, kernel=3, padding=1, groups=2), *HEAD])
    case("depthwise", 7, (2, 8, 7), [
        first, layer("conv", "c", out=8, kernel=3, padding=1, stride=2, groups=4, bias=False), *HEAD])
    case("dilation", 8, (1, 9, 10), [
        first, layer("conv", "c", out=3, kernel=3, padding=2, dilation=[2, 1]), *HEAD])
    case("dilated_groups", 9, (2, 9, 9), [
        first, layer("conv", "c", out=4, kernel=[3, 2], padding=[1, 2], stride=[1, 2],
                     dilation=2, groups=2), *HEAD])
    case("uneven_convolution", 10, (3, 6, 9), [
        first, layer("conv", "c", out=5, kernel=[1, 4], padding=[0, 2], stride=[2, 1]), *HEAD])
    case("label_smoothing", 11, (1, 4, 4), [
        layer("linear", "fc", out=3), layer("cross_entropy", "loss", label_smoothing=0.2)])
    for seed, border in (12, 0), (13, -1), (14, 1):
        case(f"signs_border_{border}", seed, (1, 6, 6), [
            first, layer("binary", "h", mode="det", estimator="st", levels="-1/+1"),
            layer("conv", "c", out=3, kernel=3, padding=1, border=border), *HEAD], slope=0.8)
    case("bits", 15, (1, 6, 6), [
        first, layer("shift", "s"), layer("binary", "h", mode="det", estimator="st"),
        layer("conv", "c", out=3, kernel=3, padding=1), *HEAD], slope=1.5)
    target = layer("input", "t", shape={"channels": 6, "height": 1, "width": 1})
    case("squares", 21, (1, 4, 3), [
        target, layer("linear", "fc", ["input"], out=6), layer("mse", "loss", ["fc", "t"])])
    case("pixels", 22, (1, 4, 3), [
        target, layer("linear", "fc", ["input"], out=6), layer("bernoulli_nll", "loss", ["fc", "t"])])
    case("divergence_of_two", 23, (1, 4, 3), [
        layer("linear", "a", out=6), layer("linear", "b", ["input"], out=6),
        layer("kl_bernoulli", "loss", ["a", "b"])], slope=0.7)
    case("weighted_losses", 24, (1, 4, 3), [
        target, layer("linear", "a", ["input"], out=6), layer("bernoulli_nll", "nll", ["a", "t"]),
        layer("kl_bernoulli", "kl", ["a"]), layer("linear", "fc", ["a"], out=3),
        layer("cross_entropy", "xent"),
        layer("weighted_sum", "loss", ["nll", "kl", "xent"], weights=[1.0, 0.5, -2.0])], slope=1.3)
    save("layers.safetensors", TENSORS, META, limit=150_000)


if __name__ == "__main__":
    main()
