"""The reference networks in PyTorch, shared by the scripts here and in benches/peers.

Not run by itself.  Layer names are those of the project's weight files:
conv1, bn1, conv2, bn2, fc for the seed-net; fc1, fc2 for the MLP 784-100-10.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BINARY = ("none", "first", "last", "both")


class Binarise(torch.autograd.Function):
    """{0,1} outputs, straight through the hard sigmoid of slope a: dx = dh * a/2 * [|a x| < 1]."""

    @staticmethod
    def forward(ctx, x: Tensor, slope: float, stochastic: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        if stochastic:
            return torch.bernoulli(torch.clamp(slope * x, -1, 1).add_(1).mul_(0.5))
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, dh: Tensor):
        (x,) = ctx.saved_tensors
        # Hard tanh's own backward rule is the mask |a x| < 1, in one pass over memory.
        limit = 1 / ctx.slope
        dx = torch.ops.aten.hardtanh_backward(dh, x, -limit, limit)
        return dx.mul_(ctx.slope / 2), None, None


def activate(x: Tensor, slope: float, binary: bool, stochastic: bool) -> Tensor:
    """A binary unit, or the hard sigmoid (clip(a x, -1, 1) + 1) / 2."""
    if binary:
        return Binarise.apply(x, slope, stochastic)
    return (F.hardtanh(slope * x if slope != 1.0 else x) + 1) * 0.5


class SeedNet(nn.Module):
    """conv 5x5 - norm - pool - activation, twice, then a linear layer; gives logits.

    A stochastic unit samples in evaluation mode too, as the published program does.
    """

    def __init__(self, binary: str = "none", stochastic: bool = False, slope: float = 1.0):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, padding=2)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 5, padding=2)
        self.bn2 = nn.BatchNorm2d(32)
        self.fc = nn.Linear(32 * 7 * 7, 10)
        self.binary, self.stochastic, self.slope = binary, stochastic, slope

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> (N, 10)."""
        x = F.max_pool2d(self.bn1(self.conv1(x)), 2)
        x = activate(x, self.slope, self.binary in ("first", "both"), self.stochastic)
        x = F.max_pool2d(self.bn2(self.conv2(x)), 2)
        x = activate(x, self.slope, self.binary in ("last", "both"), self.stochastic)
        return self.fc(x.flatten(1))


class Mlp(nn.Module):
    """784-100-10 with a hard-sigmoid or binary hidden layer; gives logits."""

    def __init__(self, binary: bool = False, stochastic: bool = False, slope: float = 1.0):
        super().__init__()
        self.fc1 = nn.Linear(784, 100)
        self.fc2 = nn.Linear(100, 10)
        self.binary, self.stochastic, self.slope = binary, stochastic, slope

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> (N, 10)."""
        return self.fc2(activate(self.fc1(x.flatten(1)), self.slope, self.binary, self.stochastic))


def normalise(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """u8 (N, 28, 28) -> (N, 1, 28, 28), MNIST's mean and deviation removed."""
    return ((images.to(dtype) / 255 - 0.1307) / 0.3081).unsqueeze(1)
