"""Times packed inference, PyTorch and ONNX Runtime in alternation on the same trained nets.

    pip install torch numpy safetensors onnx onnxruntime
    python benches/peers/infer.py RUN...

RUN is the folder of a run of `bnn-cpu train` whose units are deterministic. The images are MNIST's
test images, from the folder in BNN_CPU_DATA.
"""

import argparse
import gzip
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import time
import warnings
from typing import Any, Callable

import compare

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = ["torch default", "torch channels_last", "torch frozen", "torch compiled", "onnx"]
# Batch size and threads: one image on one thread, and throughput.
LOADS = [(1, 1), (64, 2), (1000, 2)]


def fail(message: str) -> None:
    sys.exit(f"infer.py: {message}")


def idx(name: str) -> Any:
    import numpy

    folder = os.environ.get("BNN_CPU_DATA") or fail("set BNN_CPU_DATA to the folder with MNIST's four files")
    plain, packed = pathlib.Path(folder) / name, pathlib.Path(folder) / (name + ".gz")
    try:
        data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    except OSError as error:
        fail(f"cannot read {packed}: {error.strerror}")
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * rank).reshape(shape)


def images(spec: dict[str, Any]) -> tuple[Any, Any]:
    """The test images as the net reads them, and their labels."""
    pixels, x = spec.get("pixels"), idx("t10k-images-idx3-ubyte").astype("float32")[:, None]
    if pixels != "integer":
        affine = pixels.get("normalised", pixels) if isinstance(pixels, dict) else {"mean": 0.1307, "std": 0.3081}
        x = (x / 255.0 - affine["mean"]) / affine["std"]
    return x.astype("float32"), idx("t10k-labels-idx1-ubyte")


def load(run: str) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors.numpy import load_file

    folder = pathlib.Path(run)
    try:
        spec = json.loads((folder / "config.json").read_text())["model"]
        weights = load_file(folder / "best.safetensors")
    except OSError as error:
        fail(f"cannot read {folder}: {error.strerror}; give the folder of a finished run")
    return spec, weights


def signs(layer: dict[str, Any], weight: Any) -> Any:
    """Binary weights as the numbers they multiply by."""
    import numpy

    if layer.get("weights") != "binary":
        return weight
    return numpy.where(weight > 0, 1.0, -1.0).astype("float32")


def torch_net(spec: dict[str, Any], weights: dict[str, Any]) -> Any:
    import torch
    from torch import nn

    class Step(nn.Module):
        def forward(self, x):
            return (x > 0).to(x.dtype)

    class HardSigmoid(nn.Module):
        def forward(self, x):
            return (torch.clamp(x, -1, 1) + 1) * 0.5

    def tensor(array: Any) -> Any:
        return torch.from_numpy(array.copy())

    steps: list[Any] = []
    channels = spec["input"]["channels"]
    for layer in spec["layers"]:
        kind = layer["type"]
        if kind in ("conv", "linear"):
            weight = tensor(signs(layer, weights[layer["name"] + ".weight"]))
            bias = weights.get(layer["name"] + ".bias")
            if kind == "conv":
                made = nn.Conv2d(channels, layer["out"], layer["kernel"], layer.get("stride", 1),
                                 layer.get("padding", 0), bias=bias is not None)
            else:
                steps.append(nn.Flatten())
                made = nn.Linear(weight.shape[1], layer["out"], bias=bias is not None)
            made.weight.data = weight
            if bias is not None:
                made.bias.data = tensor(bias)
            channels = layer["out"]
            flat = kind == "linear"
        elif kind == "batch_norm":
            made = (nn.BatchNorm1d if flat else nn.BatchNorm2d)(channels, eps=layer["eps"])
            for ours, theirs in (("weight", "weight"), ("bias", "bias"), ("running_mean", "running_mean"),
                                 ("running_var", "running_var")):
                getattr(made, theirs).data = tensor(weights[f"{layer['name']}.{ours}"])
        elif kind == "max_pool":
            made = nn.MaxPool2d(layer["kernel"])
        elif kind == "binary" and layer["mode"] == "det":
            made = Step()
        elif kind == "activation" and layer["function"] == "hard_sigmoid":
            made = HardSigmoid()
        else:
            fail(f"a layer of type {kind} is not one that this comparison knows")
        steps.append(made)
    return nn.Sequential(*steps).eval()


def onnx_net(spec: dict[str, Any], weights: dict[str, Any]) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, at = [], [], "x"

    def constant(name: str, array: Any) -> str:
        tensors.append(numpy_helper.from_array(array, name))
        return name

    def node(op: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    import numpy

    zero = constant("zero", numpy.zeros((), "float32"))
    for layer in spec["layers"]:
        kind, name = layer["type"], layer.get("name", "")
        if kind in ("conv", "linear"):
            inputs = [constant(name + ".weight", signs(layer, weights[name + ".weight"]))]
            if name + ".bias" in weights:
                inputs.append(constant(name + ".bias", weights[name + ".bias"]))
            if kind == "conv":
                stride, padding = layer.get("stride", 1), layer.get("padding", 0)
                at = node("Conv", at, *inputs, kernel_shape=[layer["kernel"]] * 2, strides=[stride] * 2,
                          pads=[padding] * 4)
            else:
                at = node("Gemm", node("Flatten", at), *inputs, transB=1)
        elif kind == "batch_norm":
            parts = [constant(f"{name}.{p}", weights[f"{name}.{p}"])
                     for p in ("weight", "bias", "running_mean", "running_var")]
            at = node("BatchNormalization", at, *parts, epsilon=layer["eps"])
        elif kind == "max_pool":
            at = node("MaxPool", at, kernel_shape=[layer["kernel"]] * 2, strides=[layer["kernel"]] * 2)
        elif kind == "binary":
            at = node("Cast", node("Greater", at, zero), to=TensorProto.FLOAT)
        else:
            at = node("HardSigmoid", at, alpha=0.5, beta=0.5)
    side = spec["input"]
    shape = ["n", side["channels"], side["height"], side["width"]]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(at, TensorProto.FLOAT, ["n", None])], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model.SerializeToString()


def timed(call: Callable[[], Any], seconds: float) -> list[float]:
    """Seconds a call: warmed up, of 15 repeats."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        call()
    times = []
    for _ in range(15):
        begun, calls = time.perf_counter(), 0
        while (spent := time.perf_counter() - begun) < seconds / 4:
            call()
            calls += 1
        times.append(spent / calls)
    return times


def one(peer: str, run: str) -> None:
    """Times one peer on one net; prints a JSON line for each load."""
    spec, weights = load(run)
    x, labels = images(spec)
    make: Callable[[int, int], Callable[[int], Callable[[], Any]]]
    if peer == "onnx":
        import onnxruntime

        model = onnx_net(spec, weights)

        def session(batch: int, threads: int) -> Callable[[Any], Any]:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            made = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            return lambda x: made.run(None, {"x": x})[0]
    else:
        import torch

        warnings.filterwarnings("ignore")
        torch.set_flush_denormal(True)
        last = peer == "torch channels_last" or peer == "torch frozen"

        def session(batch: int, threads: int) -> Callable[[Any], Any]:
            torch.set_num_threads(threads)
            net, layout = torch_net(spec, weights), torch.channels_last if last else torch.contiguous_format
            net = net.to(memory_format=layout)
            example = torch.from_numpy(x[:batch]).to(memory_format=layout)
            if peer == "torch frozen":
                net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, example)))
            elif peer == "torch compiled":
                net = torch.compile(net)
            ready: dict[int, Any] = {}

            def call(x: Any) -> Any:
                # Conversion and layout are outside the clock: done once for each input.
                if id(x) not in ready:
                    ready[id(x)] = torch.from_numpy(x).to(memory_format=layout)
                with torch.inference_mode():
                    return net(ready[id(x)])
            return call

    for batch, threads in LOADS:
        call = session(batch, threads)
        taken = x[:batch].copy()
        times = timed(lambda: call(taken), 0.25)
        line = {"name": peer, "batch": batch, "threads": threads, "us": statistics.median(times) * 1e6,
                "img_per_s": batch / statistics.median(times)}
        if batch == LOADS[-1][0]:
            parts = [x[i : i + batch].copy() for i in range(0, len(x), batch)]
            right = sum(int((call(p).argmax(1) == labels[i * batch : (i + 1) * batch]).sum()) for i, p in enumerate(
                parts)) if peer == "onnx" else sum(
                int((call(p).numpy().argmax(1) == labels[i * batch : (i + 1) * batch]).sum()) for i, p in enumerate(parts))
            line["accuracy"] = right / len(x)
        print(json.dumps(line), flush=True)


def lines(command: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        fail(f"'{compare.shown(command)}' ended with status {done.returncode}: {last}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def ours(program: str, file: str, isa: str | None) -> list[dict[str, Any]]:
    made = lines([program, file, "--threads", "2", *(["--isa", isa] if isa else [])])
    name = f"packed {isa or 'fastest'}"
    return [{"name": name} | {k: m[k] for k in ("batch", "threads", "img_per_s")} | {"us": m["us"][0], "isa": m["isa"]}
            for m in made if "batch" in m and (m["batch"], m["threads"]) in LOADS]


def contest(run: str, args: argparse.Namespace) -> dict[str, Any]:
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
    packed = target / "peers.packed"
    program = str(target / "release" / "bnn-cpu")
    subprocess.run([program, "pack", run, "--output", str(packed)], cwd=ROOT, check=True,
                   capture_output=True)
    accuracy = lines([program, "infer", "--packed", "--model", str(packed), "--dataset", "mnist", "--json"])
    example = str(target / "release" / "examples" / "infer_speed")
    contestants: list[tuple[str, Callable[[], list[dict[str, Any]]]]] = [
        ("packed", lambda: ours(example, str(packed), None)), ("avx2", lambda: ours(example, str(packed), "avx2"))]
    for peer in args.peers:
        command = [sys.executable, __file__, "--one", peer, run]
        contestants.append((peer, lambda command=command: lines(command)))
    if args.no_avx2:
        contestants.pop(1)
    found: dict[tuple[str, int], list[float]] = {}
    about: dict[str, Any] = {}
    for number in range(args.rounds):
        for i in range(len(contestants)):
            name, measure = contestants[(number + i) % len(contestants)]
            for line in measure():
                found.setdefault((line["name"], line["batch"]), []).append(line["img_per_s"])
                about[line["name"]] = about.get(line["name"], {}) | {k: line[k] for k in ("accuracy", "isa") if k in line}
        print(f"{run}: round {number + 1}/{args.rounds}", file=sys.stderr)
    rows = [{"name": n, "batch": b, "img_per_s": compare.spread(v), "rounds": v} | about[n] for (n, b), v in found.items()]
    mine = next(a for a in accuracy if "accuracy" in a)["accuracy"]
    name = json.loads((pathlib.Path(run) / "config.json").read_text())["model"]["name"]
    return {"net": name, "accuracy": mine, "rows": rows}


def show(result: dict[str, Any]) -> None:
    print(f"\n{result['net']}, test accuracy {100 * result['accuracy']:.2f} %")
    names = dict.fromkeys(row["name"] for row in result["rows"])
    print(f"| {'engine':<20} | 1 image, 1 thread: µs | batch 64, 2 threads: img/s | batch 1000: img/s | accuracy |")
    print("|---|---|---|---|---|")
    for name in names:
        of = {row["batch"]: row for row in result["rows"] if row["name"] == name}
        spread = {b: row["img_per_s"] for b, row in of.items()}
        accuracy = next((f"{100 * row['accuracy']:.2f}" for row in of.values() if "accuracy" in row), "as above")
        print(f"| {name:<20} | {1e6 / spread[1]['median']:.1f} | {spread[64]['median']:,.0f} "
              f"| {spread[1000]['median']:,.0f} ({spread[1000]['min']:,.0f} to {spread[1000]['max']:,.0f}) | {accuracy} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--one", metavar="PEER", choices=PEERS, help="time this peer alone")
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS)
    parser.add_argument("--no-avx2", action="store_true", help="leave out the run with AVX2 kernels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="also write every figure to FILE")
    args = parser.parse_args()
    if args.one:
        return one(args.one, args.runs[0])
    build = ["cargo", "build", "--release", "--quiet", "--bins", "--example", "infer_speed"]
    if subprocess.run(build, cwd=ROOT).returncode != 0:
        fail("the project did not build; see cargo's message above")
    before, start = compare.busy_seconds(), time.monotonic()
    results = [contest(run, args) for run in args.runs]
    after, seconds = compare.busy_seconds(), time.monotonic() - start
    others = None
    if before and after:
        others = max(0.0, (after[0] - before[0] - after[1] + before[1]) / seconds)
    for result in results:
        show(result)
    print(f"\n{compare.processor()}, {os.cpu_count()} processors; other programs used "
          f"{'an unknown number of' if others is None else f'{others:.2f}'} processors meanwhile")
    if args.json:
        report = {"processor": compare.processor(), "processors": os.cpu_count(), "other_programs": others,
                  "nets": results}
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
