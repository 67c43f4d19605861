"""Networks from PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._network import Network


def from_torch(
    module: Any,
    *,
    input: tuple[int, int, int],  # noqa: A002 - PyTorch's word for it
    batch: int = 64,
    mean: float = 0.0,
    std: float = 1.0,
    check: bool = True,
    name: str = "torch",
) -> Network:
    """A network that answers as a PyTorch module does.

    Parameters
    ----------
    module
        A ``Sequential``, or any module that ``torch.fx`` can trace, of ``Conv2d``, ``Linear``,
        ``BatchNorm1d/2d``, ``MaxPool2d``, ``AvgPool2d``, ``AdaptiveAvgPool2d(1)``, ``ReLU``,
        ``PReLU``, ``Hardtanh``, ``Dropout``, ``Flatten``, sums and concatenations; of signs and
        Heaviside steps, as ``torch.sign``, as ``(x > 0).float()``, or as a module of one's own
        whose class is called ``Sign``, ``BinarySign``, ``SignActivation`` or ``Heaviside``;
        and of convolutions and linear layers whose weights are read by their signs: Brevitas'
        ``QuantConv2d`` and ``QuantLinear`` with binary weights, and classes called
        ``BinaryConv2d``, ``BinarizedConv2d``, ``BinaryLinear``, ``BinarizedLinear``.
    input
        (channels, height, width) of an image.
    batch
        The most images of a step of the new network.
    mean, std
        By what pixels of uint8 become the module's input: ``(x / 255 - mean) / std``.
    check
        Compare the logits of both on a random batch, and refuse the network where they differ.

    Raises
    ------
    ValueError
        A layer that there is none for here, by its name in the module, or logits that differ.
    ImportError
        PyTorch is not installed.
    """
    import torch

    from ._torch_graph import converted

    module = module.eval()
    spec, state = converted(module, input, name)
    net = Network(spec, batch=batch, mean=mean, std=std)
    net.load_state_dict(state)
    if not check:
        return net
    random = np.random.default_rng(0)
    images = random.standard_normal((min(batch, 16), *input)).astype(np.float32)
    with torch.no_grad():
        theirs = module(torch.from_numpy(images)).detach().numpy()
    ours = net.forward(images)
    if theirs.shape != ours.shape:
        raise ValueError(f"the module gives {theirs.shape}, and the network {ours.shape}")
    # A unit whose sum lies within rounding of its threshold may fall on either side.
    wrong = np.abs(theirs - ours) > 1e-3 * np.maximum(1.0, np.abs(theirs).max())
    rows = int(wrong.any(axis=1).sum())
    if rows > len(images) // 8:
        raise ValueError(
            f"the network answers otherwise than the module: the logits of {rows} of {len(images)} "
            f"random images differ, by up to {np.abs(theirs - ours).max():.3g}"
        )
    return net
