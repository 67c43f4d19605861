#!/usr/bin/env python3
"""Imports ONNX files of other programs and compares the runs with what the files compute.

    import_onnx.py PROGRAM              PROGRAM is a built bnn-cpu
    import_onnx.py --seeds FOLDER       writes the files for the fuzzer

Networks as PyTorch, tf2onnx and Brevitas write them are put together by onnx.helper with random
weights, run by ONNX Runtime (those in QONNX by the executor of the package qonnx) on random images,
imported with `--check`, which compares every logit, and packed. (Networks that these programs
themselves exported are in tests/golden/onnx; tests/exports/import_onnx.rs compares them.) Then files that are
not understood, which must be refused by the name of the node in one line.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

RANDOM = np.random.default_rng(7)
QONNX = "qonnx.custom_op.general"


class Net:
    """A graph that grows node by node; the result of the last one is the next one's input."""

    def __init__(self, sides):
        self.nodes, self.constants, self.at, self.sides = [], [], "x", sides

    def constant(self, numbers):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(numbers), name))
        return name

    def add(self, op, *inputs, domain="", of=None, **settings):
        name = f"n{len(self.nodes)}"
        node = helper.make_node(op, [of or self.at, *inputs], [name], name=name, domain=domain, **settings)
        self.nodes.append(node)
        self.at = name
        return self

    def floats(self, *sides, spread=0.5):
        return self.constant((RANDOM.normal(size=sides) * spread).astype(np.float32))

    def signs(self, *sides, scale=None):
        signs = RANDOM.choice([-1.0, 1.0], size=sides).astype(np.float32)
        return signs if scale is None else signs * np.float32(scale)

    def norm(self, n):
        variance = self.constant(RANDOM.uniform(0.5, 2, size=n).astype(np.float32))
        return self.add("BatchNormalization", self.floats(n), self.floats(n), self.floats(n), variance, epsilon=1e-4)

    def model(self):
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *self.sides])],
            [helper.make_tensor_value_info(self.at, TensorProto.FLOAT, None)], self.constants,
        )
        sets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(graph, opset_imports=sets, ir_version=8)

    def answers(self, images):
        model = self.model()
        if not any(node.domain for node in self.nodes):
            run = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            return np.concatenate([run.run(None, {"x": image[None]})[0] for image in images])
        wrapped = ModelWrapper(model).transform(InferShapes())
        return np.concatenate([execute_onnx(wrapped, {"x": image[None]})[self.at] for image in images])


def pytorch():
    net = Net((1, 12, 12))
    net.add("Conv", net.floats(6, 1, 3, 3), net.floats(6), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    net.norm(6).add("MaxPool", kernel_shape=[2, 2], strides=[2, 2]).add("Sign")
    net.add("Conv", net.constant(net.signs(8, 6, 3, 3)), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    net.norm(8).add("Greater", net.constant(np.float32(0))).add("Cast", to=1)
    net.add("Flatten", axis=1)
    return net.add("Gemm", net.floats(10, 288), net.floats(10), transB=1)


def branches():
    net = Net((3, 8, 8))
    net.add("Conv", net.floats(4, 3, 3, 3), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    net.norm(4)
    root = net.at
    net.add("Relu").add("Conv", net.floats(4, 4, 1, 1), net.floats(4), kernel_shape=[1, 1])
    left = net.at
    net.add("PRelu", net.floats(4, 1, 1), of=root).add("HardSigmoid", alpha=0.5, beta=0.5)
    net.add("Conv", net.floats(4, 1, 3, 3), kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=4)
    right = net.at
    net.add("Add", right, of=left)
    total = net.at
    net.add("Concat", root, of=total, axis=1).add("Identity").add("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    net.add("Reshape", net.constant(np.array([0, -1], np.int64)))
    net.add("MatMul", net.floats(32, 5)).add("Add", net.floats(5))
    return net


def tensorflow():
    net = Net((8, 10, 2))
    net.add("Transpose", perm=[0, 3, 1, 2])
    net.add("Conv", net.floats(5, 2, 3, 3), kernel_shape=[3, 3], auto_pad="VALID").norm(5).add("Sign")
    net.add("Conv", net.constant(net.signs(4, 5, 3, 3, scale=0.25)), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    net.norm(4).add("Relu").add("Transpose", perm=[0, 2, 3, 1])
    net.add("Reshape", net.constant(np.array([-1, 192], np.int64)))
    net.add("MatMul", net.floats(192, 7)).add("Add", net.floats(7))
    return net.norm(7)


def brevitas():
    net = Net((1, 10, 10))
    for n, (out, depth) in enumerate([(6, 1), (8, 6)]):
        weights = helper.make_node("BipolarQuant", [net.floats(out, depth, 3, 3), net.constant(np.float32(0.5 + n))],
                                   [f"w{n}"], name=f"w{n}", domain=QONNX)
        net.nodes.append(weights)
        net.add("Conv", f"w{n}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]).norm(out)
        net.add("BipolarQuant", net.constant(np.float32(1)), domain=QONNX)
    net.add("GlobalAveragePool").add("Flatten", axis=1)
    return net.add("Gemm", net.floats(4, 8, spread=2), net.floats(4), transB=1)


def call(program, *args):
    return subprocess.run([program, *map(str, args)], capture_output=True, text=True)


def check(program, name, net, folder):
    file = folder / f"{name}.onnx"
    onnx.save(net.model(), file)
    images = RANDOM.integers(0, 256, size=(200, *net.sides)).astype(np.float32)
    # Binary weights over pixels want whole numbers.
    pixels = "integer" if name == "brevitas" else "unit"
    if pixels == "unit":
        images /= 255
    np.save(folder / "x.npy", images)
    np.save(folder / "y.npy", net.answers(images).astype(np.float32))
    run = folder / name
    done = call(program, "import", file, "--pixels", pixels, "--check", folder / "x.npy", folder / "y.npy", "--out", run)
    if done.returncode:
        sys.exit(f"import_onnx.py: {name}: {done.stderr}")
    said = [line for line in (done.stdout + done.stderr).splitlines() if "answers as given" in line]
    packed = call(program, "pack", run)
    # No packed form is known of PReLU.
    if packed.returncode and not any(node.op_type == "PRelu" for node in net.nodes):
        sys.exit(f"import_onnx.py: {name} is not packed: {packed.stderr}")
    print(f"{name}: {said[0].strip() if said else done.stdout}; {'not packed' if packed.returncode else 'packed'}")


def refused(program, folder):
    def start():
        net = Net((1, 6, 6))
        return net.add("Conv", net.floats(2, 1, 3, 3), kernel_shape=[3, 3])

    broken = {
        "Exp": start().add("Exp"),
        "turned": start().add("Transpose", perm=[0, 1, 3, 2]),
        "ceil": start().add("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        "bordered": start().add("MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        "levels": start(),
        "multiplied": start(),
        "padded": start(),
    }
    net = broken["levels"]
    net.add("Quant", net.constant(np.float32(1)), net.constant(np.float32(0)), net.constant(np.float32(8)), domain=QONNX)
    net = broken["multiplied"]
    net.add("Mul", net.at)
    net = broken["padded"]
    net.add("Pad", net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), net.constant(np.float32(0.5)))
    net.add("Conv", net.floats(2, 2, 3, 3), kernel_shape=[3, 3])
    for name, net in broken.items():
        file = folder / f"{name}.onnx"
        file.write_bytes(net.model().SerializeToString())
        done = call(program, "import", file, "--pixels", "unit", "--out", folder / "none")
        if done.returncode != 1 or ("node n2" if name == "padded" else "node n1") not in done.stderr or done.stderr.count("\n") != 1:
            sys.exit(f"import_onnx.py: {name}: {done.returncode} {done.stderr}")
        print(f"refused: {done.stderr.strip().split(': ', 1)[1]}")
    whole = (folder / "Exp.onnx").read_bytes()
    for length in range(12, len(whole), 7):
        (folder / "cut.onnx").write_bytes(whole[:length])
        done = call(program, "import", folder / "cut.onnx", "--out", folder / "none")
        if done.returncode not in (1, 2) or done.stderr.count("\n") != 1:
            sys.exit(f"import_onnx.py: cut at {length}: {done.returncode} {done.stderr}")


def main():
    nets = [("pytorch", pytorch), ("branches", branches), ("tensorflow", tensorflow), ("brevitas", brevitas)]
    if sys.argv[1] == "--seeds":
        for i, (_, make) in enumerate(nets):
            (Path(sys.argv[2]) / f"seed-{i:02}").write_bytes(make().model().SerializeToString())
        return
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        for name, make in nets:
            check(program, name, make(), Path(folder))
        refused(program, Path(folder))


main()
