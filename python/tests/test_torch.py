"""Networks from PyTorch: the same logits, or refused by the layer's name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bnn_cpu

torch = pytest.importorskip("torch")
nn = torch.nn


class Sign(nn.Module):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        return torch.where(x > 0, 1.0, -1.0)


class BinaryConv2d(nn.Conv2d):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        weight = torch.where(self.weight >= 0, 1.0, -1.0)
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class Scaled(nn.Linear):  # type: ignore[misc]
    """As Brevitas' layers say what their weights amount to."""

    def quant_weight(self) -> Any:
        size = self.weight.detach().abs().mean(dim=1, keepdim=True)
        return torch.where(self.weight >= 0, size, -size)

    def forward(self, x: Any) -> Any:
        return nn.functional.linear(x, self.quant_weight(), self.bias)


Scaled.__name__ = "QuantLinear"


def settled(module: Any) -> Any:
    """With batch norms that have seen something."""
    torch.manual_seed(0)
    module.train()
    for _ in range(3):
        module(torch.randn(32, 1, 12, 12))
    return module.eval()


class Branches(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(8 * 36, 5)

    def forward(self, x: Any) -> Any:
        a = torch.relu(self.a(x))
        b = (self.b(a) > 0).float()
        c = torch.cat([a + b, b], 1)
        return self.fc(torch.flatten(nn.functional.max_pool2d(c, 2), 1))


def sequentials() -> list[Any]:
    """Modules of every kind of layer."""
    return [
        nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, stride=2),
            nn.PReLU(8),
            nn.Flatten(),
            nn.Linear(32, 7),
        ),
        nn.Sequential(
            nn.Conv2d(1, 6, 3),
            nn.BatchNorm2d(6),
            Sign(),
            BinaryConv2d(6, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            Sign(),
            nn.Flatten(),
            nn.Dropout(0.3),
            Scaled(800, 5),
        ),
        nn.Sequential(
            nn.Conv2d(1, 6, 3),
            nn.AvgPool2d(2),
            nn.Sigmoid(),
            nn.Conv2d(6, 4, (3, 2)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3),
        ),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_logits_are_the_modules(which: int) -> None:
    torch.manual_seed(which)
    module = settled(sequentials()[which])
    net = bnn_cpu.from_torch(module, input=(1, 12, 12))
    x = np.random.default_rng(1).standard_normal((40, 1, 12, 12)).astype(np.float32)
    with torch.no_grad():
        theirs = module(torch.from_numpy(x)).numpy()
    ours = net.forward(x)
    # A sum within rounding of a threshold may fall on either side of it.
    same = np.isclose(ours, theirs, rtol=1e-3, atol=1e-4).all(axis=1)
    assert same.mean() >= 0.9, np.abs(ours - theirs).max()


def test_a_packed_network_of_a_module() -> None:
    torch.manual_seed(3)
    module = settled(sequentials()[1])
    net = bnn_cpu.from_torch(module, input=(1, 12, 12), mean=0.5, std=0.25)
    x = np.random.default_rng(1).integers(0, 256, (60, 1, 12, 12), np.uint8)
    with torch.no_grad():
        given = torch.from_numpy((x.astype(np.float32) / 255 - 0.5) / 0.25)
        theirs = module(given).argmax(dim=1).numpy()
    assert np.mean(net.pack().classify(x) == theirs) >= 0.9


def test_what_is_not_known_is_refused_by_name() -> None:
    for module, says in [
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU()), "1: there is no layer for GELU"),
        (nn.Sequential(nn.Conv2d(1, 2, 3, padding_mode="reflect", padding=1)), "0: padding"),
        (nn.Sequential(nn.MaxPool2d(3, padding=1)), "0: a pool with padding"),
        (nn.Sequential(nn.Hardtanh()), "hardtanh"),
    ]:
        with pytest.raises(ValueError, match=says):
            bnn_cpu.from_torch(module, input=(1, 12, 12))


def test_a_module_that_answers_otherwise_is_refused() -> None:
    class Sign(nn.Module):  # type: ignore[misc]
        """A class with the name of a step function that is none."""

        def forward(self, x: Any) -> Any:
            return 3 * x

    module = nn.Sequential(nn.Conv2d(1, 4, 3), Sign(), nn.Flatten(), nn.Linear(400, 3))
    with pytest.raises(ValueError, match="otherwise"):
        bnn_cpu.from_torch(module, input=(1, 12, 12))


def test_branches_that_torch_fx_traces() -> None:
    torch.manual_seed(5)
    module = Branches().eval()
    net = bnn_cpu.from_torch(module, input=(1, 12, 12))
    assert [layer["kind"].split(" ")[0] for layer in net.layers()].count("add") == 1


class Classified:
    """A data set whose items a packed network labels in the loader's workers."""

    def __init__(self, packed: bnn_cpu.PackedNet, images: Any) -> None:
        self.packed = packed
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[int, int]:
        # Nine at a time are computed on several threads, one is not.
        nine = self.images[np.arange(i, i + 9) % len(self.images)]
        return int(self.packed.classify(self.images[i])), int(self.packed.classify(nine)[0])


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore")
def test_workers_of_a_data_loader_classify(
    method: str, run: bnn_cpu.Run, digits: bnn_cpu.Dataset
) -> None:
    packed, images = run.pack(), digits.test.images[:40]
    expected = packed.classify(images)
    loader = torch.utils.data.DataLoader(
        Classified(packed, images), batch_size=8, num_workers=2, multiprocessing_context=method
    )
    ones, nines = (torch.cat(each).numpy() for each in zip(*loader, strict=True))
    np.testing.assert_array_equal(ones, expected)
    np.testing.assert_array_equal(nines, expected)
