"""Trains small networks of floats with PyTorch: PyTorch and ONNX Runtime are measured on the same weights.

A pixel is multiplied by 1/255 in training. That factor is then a part of the first layer's weights, so
that an engine reads the pixels as they are and has nothing to prepare but the type.
"""

import json
from typing import Any

import harness
from harness import Mnist, Options

# A convolution is 5x5 without padding and a pool is 2x2. A ReLU follows every layer with weights but the last.
NETWORKS: dict[str, list[tuple[str, int]]] = {
    "cnn-16-32": [("conv", 16), ("pool", 2), ("conv", 32), ("pool", 2), ("linear", 10)],
    "cnn-8-16": [("conv", 8), ("pool", 2), ("conv", 16), ("pool", 2), ("linear", 10)],
    "mlp-256-256": [("linear", 256), ("linear", 256), ("linear", 10)],
    "mlp-64": [("linear", 64), ("linear", 10)],
}
EPOCHS = 12


def torch_net(network: str) -> Any:
    """An untrained module that reads n x 1 x 28 x 28 floats."""
    from torch import nn

    steps: list[Any] = []
    channels, side, flat = 1, 28, 0
    for place, (kind, out) in enumerate(NETWORKS[network]):
        if kind == "pool":
            steps.append(nn.MaxPool2d(out))
            side //= out
            continue
        if kind == "conv":
            steps.append(nn.Conv2d(channels, out, 5))
            channels, side = out, side - 4
        else:
            if not flat:
                steps.append(nn.Flatten())
            steps.append(nn.Linear(flat or channels * side * side, out))
            flat = out
        if place + 1 < len(NETWORKS[network]):
            steps.append(nn.ReLU())
    return nn.Sequential(*steps)


def trained(network: str, data: Mnist, options: Options) -> tuple[list[Any], dict[str, Any]]:
    """Weights and biases in the order of the layers, for pixels from 0 to 255; trained unless the cache has them."""
    import numpy

    epochs = options.epochs or EPOCHS
    path = harness.stem(f"float-{network}", epochs, options)
    weights, about = path.with_name(path.name + ".npz"), path.with_name(path.name + ".json")
    if not about.exists():
        facts = fit(network, data, options, epochs, weights)
        about.write_text(json.dumps(facts) + "\n")
    with numpy.load(weights) as file:
        return [file[name] for name in file.files], json.loads(about.read_text())


def fit(network: str, data: Mnist, options: Options, epochs: int, path: Any) -> dict[str, Any]:
    """Adam, batches of 100, its step going down to nothing along a cosine; writes the weights of the best epoch."""
    import numpy
    import torch
    from torch.nn import functional

    torch.manual_seed(harness.SEED)
    torch.set_num_threads(harness.THREADS)
    net = torch_net(network)
    x = torch.from_numpy(data.train.astype("float32") / 255)[:, None]
    y = torch.from_numpy(data.train_labels.astype("int64"))
    valid = torch.from_numpy(data.valid.astype("float32") / 255)[:, None]
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * (len(x) // 100))

    def epoch(_: int, __: float) -> float:
        net.train()
        order = torch.randperm(len(x))
        for i in range(0, len(x), 100):
            taken = order[i : i + 100]
            optimiser.zero_grad()
            functional.cross_entropy(net(x[taken]), y[taken]).backward()
            optimiser.step()
            schedule.step()
        net.eval()
        with torch.inference_mode():
            found = torch.cat([net(part).argmax(1) for part in valid.split(1000)]).numpy()
        return float((found == data.valid_labels).mean())

    def keep() -> None:
        arrays = [p.detach().numpy().copy() for p in net.parameters()]
        arrays[0] = arrays[0] / numpy.float32(255)
        numpy.savez(path, *arrays)

    return harness.train(network, epochs, options, epoch, keep)


def loaded(network: str, arrays: list[Any]) -> Any:
    """A module with trained weights, for pixels from 0 to 255."""
    import torch

    net = torch_net(network).eval()
    with torch.no_grad():
        for parameter, array in zip(net.parameters(), arrays, strict=True):
            parameter.copy_(torch.from_numpy(array))
    return net
