#!/usr/bin/env python3
"""Makes small binary networks with other programs, as those programs export them.

    foreign.py torch FOLDER       PyTorch: torch.onnx.export, both of its exporters
    foreign.py brevitas FOLDER    Brevitas: export_qonnx
    foreign.py larq FOLDER        Larq on Keras, through tf2onnx, and as .h5

Each network is trained for a few steps on a task without meaning, so that its statistics are those of
a trained one. Beside FILE.onnx lie FILE.x.npy, what goes in as bytes, and FILE.y.npy, what the program
that made it answers to those divided by 255. tests/tools/foreign.sh sets up what the three need and compares the answers with those
of bnn-cpu; tests/golden/onnx holds files that this made.
"""
import sys
from pathlib import Path

import numpy as np

IMAGES = 20


def inputs(*sides):
    """Images whose numbers are bytes divided by 255, and labels that hang on them."""
    random = np.random.default_rng(7)
    coarse = random.uniform(size=(512, 4, 4, sides[0]))
    x = coarse.repeat(3, axis=1).repeat(3, axis=2) * 0.9 + random.uniform(size=(512, 12, 12, sides[0])) * 0.1
    y = (coarse.reshape(512, -1)[:, :9] * np.arange(1, 10)).argmax(axis=1) % 5
    bytes_of = (x.transpose(0, 3, 1, 2) * 255).astype(np.uint8)
    return bytes_of.astype(np.float32) / np.float32(255), y.astype(np.int64)


def save(folder, name, x, y):
    x = np.asarray(x, np.float32) * 255
    np.save(folder / f"{name}.x.npy", np.ascontiguousarray(x.round().astype(np.uint8)))
    np.save(folder / f"{name}.y.npy", np.ascontiguousarray(y, np.float32))


def trained(net, x, y):
    """Trains a network of PyTorch for a few steps."""
    import torch

    x, y = torch.tensor(x), torch.tensor(y)
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for step in range(40):
        rows = slice(step % 8 * 64, step % 8 * 64 + 64)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimiser.step()
    return net.eval()


def make_torch(folder):
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Sign(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.where(x >= 0, 1.0, -1.0)

        @staticmethod
        def backward(ctx, grad):
            return grad * (ctx.saved_tensors[0].abs() <= 1)

    class BinaryConv(nn.Conv2d):
        def forward(self, x):
            return F.conv2d(x, sign(self.weight), None, self.stride, self.padding, 1, self.groups)

    def sign(x):
        # Exported is what a network computes when it is used, not how it was trained.
        return Sign.apply(x) if torch.is_grad_enabled() else torch.where(x >= 0, 1.0, -1.0)

    class Net(nn.Module):
        """BinaryNet's order: convolution, pool, batch norm, hard tanh, sign."""

        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
            self.conv2, self.bn2 = BinaryConv(6, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
            self.conv3, self.bn3 = BinaryConv(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
            self.fc, self.bn4 = nn.Linear(8 * 9, 5), nn.BatchNorm1d(5)

        def forward(self, x):
            x = sign(F.hardtanh(self.bn1(F.max_pool2d(self.conv1(x), 2))))
            left = self.bn2(self.conv2(x))
            x = left + self.bn3(self.conv3(sign(left)))
            x = F.avg_pool2d(F.hardtanh(x), 2)
            return self.bn4(self.fc(x.view(x.size(0), -1)))

    torch.manual_seed(3)
    torch.set_num_threads(1)
    x, y = inputs(1)
    net = trained(Net(), x, y)
    given = torch.tensor(x[:IMAGES])
    with torch.no_grad():
        answers = net(given).numpy()
        for name, dynamo in [("torch", False), ("torch_dynamo", True)]:
            settings = {} if dynamo else {"dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}}
            if dynamo:
                settings["dynamic_shapes"] = {"x": {0: torch.export.Dim("n")}}
                settings["external_data"] = False
            torch.onnx.export(net, (given,), folder / f"{name}.onnx", input_names=["x"], output_names=["y"],
                              dynamo=dynamo, **settings)
            save(folder, name, given, answers)


def make_brevitas(folder):
    import brevitas.nn as qnn
    import torch
    from brevitas.core.quant import QuantType
    from brevitas.export import export_qonnx
    from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
    from torch import nn

    def weights():
        return {"weight_quant": SignedBinaryWeightPerTensorConst, "bias": False}

    def unit():
        return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_init=1.0)

    torch.manual_seed(5)
    torch.set_num_threads(1)
    x, y = inputs(1)
    net = nn.Sequential(
        qnn.QuantConv2d(1, 6, 3, padding=1, weight_bit_width=4, bias=False), nn.BatchNorm2d(6), unit(),
        qnn.QuantConv2d(6, 8, 3, **weights()), nn.MaxPool2d(2), nn.BatchNorm2d(8),
        qnn.QuantReLU(bit_width=2),
        qnn.QuantConv2d(8, 8, 3, padding=1, weight_bit_width=2, bias=False), nn.BatchNorm2d(8), unit(),
        nn.Flatten(), qnn.QuantLinear(8 * 25, 5, **weights()), nn.BatchNorm1d(5),
    )
    assert QuantType.BINARY
    net = trained(net, x, y)
    given = torch.tensor(x[:IMAGES])
    with torch.no_grad():
        save(folder, "brevitas", given, net(given).numpy())
        export_qonnx(net, args=given[:1], export_path=str(folder / "brevitas.onnx"), dynamo=False)


def make_larq(folder):
    import tensorflow as tf
    import larq as lq
    import tf2onnx

    tf.keras.utils.set_random_seed(9)
    x, y = inputs(2)
    x = x.transpose(0, 2, 3, 1)
    binary = {"kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip", "use_bias": False}
    keras = tf.keras.layers
    net = tf.keras.Sequential([
        keras.InputLayer((12, 12, 2)),
        lq.layers.QuantConv2D(6, 3, padding="same", strides=2, **binary),
        keras.BatchNormalization(scale=False),
        lq.layers.QuantConv2D(8, 3, padding="same", pad_values=1.0, input_quantizer="ste_sign", **binary),
        keras.MaxPool2D(2),
        keras.BatchNormalization(scale=False),
        lq.layers.QuantConv2D(8, 3, padding="same", input_quantizer="ste_sign", **binary),
        keras.BatchNormalization(),
        keras.ReLU(),
        keras.Flatten(),
        keras.BatchNormalization(),
        lq.layers.QuantDense(5, input_quantizer="ste_sign", **binary),
        keras.BatchNormalization(scale=False),
        keras.Activation("softmax"),
    ])
    net.compile(tf.keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    net.fit(x, y, batch_size=64, epochs=5, verbose=0)
    given = x[:IMAGES]
    # The softmax of the file is left out of an import.
    logits = tf.keras.Model(net.input, net.layers[-2].output)
    save(folder, "larq", given, logits.predict(given, verbose=0))
    net.save(folder / "larq.h5")
    from larq_onnx import convert  # noqa: E402  (beside this file)

    convert(folder / "larq.h5", folder / "larq.onnx")


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    where.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(Path(__file__).parent))
    {"torch": make_torch, "brevitas": make_brevitas, "larq": make_larq}[what](where)
