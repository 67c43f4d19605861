"""Writes tests/golden/signs: a network of PyTorch whose activations are signs, -1 and +1, with
its weights, the bytes of some images and what it answers. Run as

    python3 tests/tools/golden_signs.py

from the root of the repository; it needs torch and safetensors.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

OUT = pathlib.Path("tests/golden/signs")


class Sign(nn.Module):
    def forward(self, x):
        return torch.where(x > 0, 1.0, -1.0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 4 * 4, 5)
        self.sign = Sign()

    def forward(self, x):
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)), 2)
        x = self.sign(x)
        x = self.sign(self.bn2(self.conv2(x)))
        return self.fc(x.flatten(1))


def main():
    torch.manual_seed(25)
    net = Net()
    # Statistics that are not those of a new network.
    with torch.no_grad():
        for norm in (net.bn1, net.bn2):
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.5, 1.5)
            norm.weight.uniform_(-1.0, 1.0)
            norm.bias.normal_(0, 0.2)
    net.eval()
    pixels = torch.randint(0, 256, (40, 2, 8, 8), dtype=torch.uint8)
    inputs = (pixels / 255 - 0.5) / 0.25
    with torch.no_grad():
        logits = net(inputs)
    OUT.mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), str(OUT / "weights.safetensors"))
    save_file({"inputs": pixels, "logits": logits}, str(OUT / "bytes.safetensors"))
    save_file({"inputs": inputs, "logits": logits}, str(OUT / "numbers.safetensors"))
    unit = {"type": "binary", "mode": "det", "estimator": "st", "levels": "-1/+1"}
    conv = {"type": "conv", "kernel": 3, "padding": 1}
    layers = [
        {**conv, "name": "conv1", "out": 6},
        {"type": "batch_norm", "name": "bn1"},
        {"type": "max_pool", "kernel": 2},
        unit,
        {**conv, "name": "conv2", "out": 8},
        {"type": "batch_norm", "name": "bn2"},
        unit,
        {"type": "linear", "name": "fc", "out": 5},
    ]
    model = {
        "name": "signs",
        "input": {"channels": 2, "height": 8, "width": 8},
        "layers": layers,
    }
    (OUT / "net.json").write_text(json.dumps(model, indent=1) + "\n")


if __name__ == "__main__":
    main()
