"""A net with binary weights in PyTorch, float64: tests/golden/binary.safetensors.

    pip install torch numpy safetensors
    python tests/tools/golden_binary.py

Integer pixels, deterministic binary units, binary weights in every layer, one
of them scaled, one with a bias; some latent weights lie beyond 1, where no
gradient passes.  The file holds the batch, the weights before, and after each
step of Adam the loss, the gradients and the weights, latent ones clipped to
[-1, 1]; then the logits in evaluation.  Adam's eps is large because a bias
before batch norm has no gradient but rounding, which a small one would enlarge.
"""

import torch
import torch.nn.functional as F
from golden import Tensors, draw, generator, save

STEPS, LR, EPS, ROWS = 4, 0.01, 1e-3, 12


class Sign(torch.autograd.Function):
    """+1 for w >= 0, else -1; the gradient passes where |w| <= 1."""

    @staticmethod
    def forward(ctx, w):
        ctx.save_for_backward(w)
        return torch.where(w >= 0, 1.0, -1.0).to(w.dtype)

    @staticmethod
    def backward(ctx, grad):
        (w,) = ctx.saved_tensors
        return grad * (w.abs() <= 1)


class Step(torch.autograd.Function):
    """[x > 0]; half the gradient passes where |x| < 1."""

    @staticmethod
    def forward(ctx, x):
        global nearest
        nearest = min(nearest, x.abs().min().item(), (x.abs() - 1).abs().min().item())
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 0.5 * (x.abs() < 1)


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(4)
        self.conv2 = torch.nn.Conv2d(4, 6, 3, padding=1, bias=True)
        self.bn2 = torch.nn.BatchNorm2d(6)
        self.fc = torch.nn.Linear(54, 5, bias=False)
        self.fc_bn = torch.nn.BatchNorm1d(5)

    def latents(self) -> list[torch.nn.Parameter]:
        return [self.conv1.weight, self.conv2.weight, self.fc.weight]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.conv2d(x, Sign.apply(self.conv1.weight), padding=1)
        x = Step.apply(F.max_pool2d(self.bn1(x), 2))
        w = self.conv2.weight
        scale = w.abs().mean((1, 2, 3)).view(1, -1, 1, 1)
        x = scale * F.conv2d(x, Sign.apply(w), padding=1) + self.conv2.bias.view(1, -1, 1, 1)
        x = Step.apply(F.max_pool2d(self.bn2(x), 2))
        return self.fc_bn(F.linear(x.flatten(1), Sign.apply(self.fc.weight)))


nearest = 1.0


def main() -> None:
    tensors: Tensors = {}
    rng = generator(11)
    net = Net().double()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p in set(net.latents()):
                p.copy_(draw(rng, *p.shape, scale=0.6))
                p.view(-1)[:2] = torch.tensor([1.5, -1.25])
            elif "bn" in name and name.endswith("weight"):
                p.copy_(1 + draw(rng, *p.shape, scale=0.3).float().double())
            else:
                p.copy_(draw(rng, *p.shape, scale=0.3))
    images = torch.randint(0, 256, (ROWS, 1, 12, 12), generator=rng)
    labels = torch.randint(0, 5, (ROWS,), generator=rng)
    tensors["images"], tensors["labels"] = images.to(torch.uint8), labels
    for key, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            tensors[f"before.{key}"] = tensor.clone()
    optimiser = torch.optim.Adam(net.parameters(), lr=LR, eps=EPS)
    for step in range(STEPS):
        optimiser.zero_grad()
        loss = F.cross_entropy(net(images.double()), labels)
        loss.backward()
        tensors[f"{step}.loss"] = loss.detach().reshape(1)
        for name, p in net.named_parameters():
            tensors[f"{step}.grad.{name}"] = p.grad.clone()
        optimiser.step()
        with torch.no_grad():
            for p in net.latents():
                p.clamp_(-1, 1)
        for name, p in net.named_parameters():
            tensors[f"{step}.{name}"] = p.detach().clone()
    net.eval()
    with torch.no_grad():
        tensors["logits"] = net(images.double())
    # No unit so near its threshold or window that float32 could differ.
    assert nearest > 2e-5, nearest
    about = {"steps": STEPS, "lr": LR, "eps": EPS, "nearest": nearest}
    save("binary.safetensors", tensors, {"binary": about}, 200_000)


main()
