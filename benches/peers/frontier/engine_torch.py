"""PyTorch on networks of floats: as a module with channels last, and as a frozen TorchScript program."""

import io
import warnings
from typing import Any, Callable, Iterator

import float_nets
import harness
from harness import Options


def check() -> None:
    import torch  # noqa: F401


def ready(net: Any, module: Any) -> Callable[[Any], Any]:
    """From bytes to classes."""

    def call(pixels: Any) -> Any:
        with module.inference_mode():
            x = module.from_numpy(pixels)[:, None].to(module.float32, memory_format=module.channels_last)
            return net(x).argmax(1).numpy()

    return call


def run(options: Options) -> Iterator[dict[str, Any]]:
    import torch

    warnings.filterwarnings("ignore")
    torch.set_num_threads(harness.THREADS)
    torch.set_flush_denormal(True)
    data = harness.mnist()
    preparation = "PyTorch turns the bytes into f32 in the channels-last layout; the division by 255 is in the weights."
    for network in harness.chosen(list(float_nets.NETWORKS), options):
        arrays, training = float_nets.trained(network, data, options)
        net = float_nets.loaded(network, arrays).to(memory_format=torch.channels_last)
        file = io.BytesIO()
        torch.save(net.state_dict(), file)
        yield harness.measured("torch eager", network, torch.__version__, ready(net, torch), file.tell(), data, options,
                               preparation, "The state dictionary as torch.save writes it.", training)
        example = torch.zeros(harness.BATCH, 1, 28, 28).to(memory_format=torch.channels_last)
        with torch.no_grad():
            frozen = torch.jit.freeze(torch.jit.trace(net, example))
        file = io.BytesIO()
        torch.jit.save(frozen, file)
        fast = torch.jit.optimize_for_inference(frozen)
        yield harness.measured("torch frozen", network, torch.__version__, ready(fast, torch), file.tell(), data,
                               options, preparation, "The frozen program as torch.jit.save writes it.", training)
