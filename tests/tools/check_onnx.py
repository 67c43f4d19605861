#!/usr/bin/env python3
"""Compares exported ONNX files with the packed networks that they were made from.

  check_onnx.py FOLDER                       random networks, as tests/exports/onnx.rs wrote them
  check_onnx.py --mnist FILE.onnx IMAGES LABELS ANSWERS MOST
                                       a network of MNIST on all test images; ANSWERS is what
                                       `bnn-cpu infer --packed --csv` says of them, and at most MOST
                                       classes may be others

  check_onnx.py --qonnx FILE.onnx IMAGES ANSWERS MOST
                                       the same of a network in QONNX, on the first 1,000 images

Beside each random FILE.onnx lies FILE.qonnx, the same network in QONNX, which the executor of the
package qonnx runs.

Every file passes the format's own checker, and ONNX Runtime answers: where weights are binary with
the packed network's class and its logits within rounding, where they are real (encoders of few-shot runs
among them) with the logits within rounding for all but a few images, because a rounding may turn a bit.
"""
import gzip
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes


def session(path):
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def answer(run, images):
    """The outputs for images of shape (number, height, width, channel) as bytes."""
    entry = run.get_inputs()[0]
    kind = np.uint8 if entry.type == "tensor(uint8)" else np.float32
    channels, height, width = entry.shape[1:]
    images = images.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
    return run.run(None, {entry.name: np.ascontiguousarray(images.astype(kind))})[0]


def quantised(path, images):
    """The outputs of a file in QONNX, by the executor of the package of that name."""
    model = onnx.load(str(path))
    kinds = {node.op_type for node in model.graph.node if node.domain}
    if not kinds <= {"MultiThreshold", "BipolarQuant"}:
        sys.exit(f"check_onnx.py: {path.name} has operators of its own: {kinds}")
    # That executor knows no free batch.
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_value = len(images)
    wrapped = ModelWrapper(model).transform(InferShapes())
    entry = model.graph.input[0]
    kind = np.uint8 if entry.type.tensor_type.elem_type == onnx.TensorProto.UINT8 else np.float32
    channels, height, width = (d.dim_value for d in entry.type.tensor_type.shape.dim[1:])
    images = images.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
    given = {entry.name: np.ascontiguousarray(images.astype(kind))}
    return execute_onnx(wrapped, given)[model.graph.output[0].name], kinds


def near(found, wanted):
    """For each row whether all its numbers are equal within rounding."""
    reach = 1e-4 * np.abs(wanted).max(axis=1, keepdims=True) + 1e-5
    return (np.abs(found - wanted) <= reach).all(axis=1)


def random_networks(folder):
    total, wrong, kinds, operators = {}, {}, set(), set()
    for path in sorted(Path(folder).glob("*.onnx")):
        kind = path.name.split("-")[0]
        run = session(path)
        kinds.add(run.get_inputs()[0].type)
        name = run.get_outputs()[0].name
        if name != ("embedding" if kind == "encoder" else "logits"):
            sys.exit(f"check_onnx.py: {path.name} calls its answer {name}")
        images = np.frombuffer(path.with_suffix(".images").read_bytes(), np.uint8).reshape(8, -1)
        wanted = np.frombuffer(path.with_suffix(".logits").read_bytes(), np.float32).reshape(8, -1)
        found = answer(run, images)
        # One image at a time answers as a batch does.
        one = answer(run, images[:1])
        same = near(found, wanted)
        if kind == "binary" and not (same.all() and near(one, wanted[:1]).all()):
            sys.exit(f"check_onnx.py: {path.name} answers otherwise: {onnx.load(str(path)).doc_string}")
        answers, own = quantised(path.with_suffix(".qonnx"), images)
        operators |= own
        if kind == "binary" and not near(answers, wanted).all():
            sys.exit(f"check_onnx.py: {path.stem}.qonnx answers otherwise: {onnx.load(str(path)).doc_string}")
        wrong["QONNX, " + kind] = wrong.get("QONNX, " + kind, 0) + int((~near(answers, wanted)).sum())
        total["QONNX, " + kind] = total.get("QONNX, " + kind, 0) + 8
        total[kind] = total.get(kind, 0) + 8
        wrong[kind] = wrong.get(kind, 0) + int((~same).sum())
    if len(kinds) != 2 or not {"binary", "encoder", "real"} <= set(total):
        sys.exit(f"check_onnx.py: {folder} does not hold all kinds of networks and both of pixels")
    if operators != {"MultiThreshold", "BipolarQuant"}:
        sys.exit(f"check_onnx.py: the files in QONNX have {operators} alone")
    for kind, count in total.items():
        print(f"{kind}: {count} images, {wrong[kind]} with other logits")
        if wrong[kind] > count // 10:
            sys.exit("check_onnx.py: too many differ")


def content(path):
    data = Path(path).read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def mnist(file, images, labels, answers, most):
    pixels = np.frombuffer(content(images), np.uint8, offset=16).reshape(-1, 784)
    labels = np.frombuffer(content(labels), np.uint8, offset=8)
    lines = Path(answers).read_text().splitlines()[1:]
    wanted = np.array([int(line.split(",")[1]) for line in lines])
    found = answer(session(file), pixels).argmax(axis=1)
    if len(wanted) != len(labels) or len(found) != len(labels):
        sys.exit(f"check_onnx.py: {file}: there are answers to {len(wanted)} of {len(labels)} images")
    other = int((found != wanted).sum())
    print(f"{Path(file).name}: {other} of {len(found)} classes are others than the program's, "
          f"{int((found == labels).sum())} are right")
    if other > int(most):
        sys.exit(f"check_onnx.py: at most {most} may be others")


def mnist_quantised(file, images, answers, most):
    pixels = np.frombuffer(content(images), np.uint8, offset=16).reshape(-1, 784)[:1000]
    lines = Path(answers).read_text().splitlines()[1:]
    wanted = np.array([int(line.split(",")[1]) for line in lines[:1000]])
    found, kinds = quantised(Path(file), pixels)
    other = int((found.argmax(axis=1) != wanted).sum())
    print(f"{Path(file).name} ({', '.join(sorted(kinds))}): {other} of 1000 classes are others than the program's")
    if other > int(most) or "MultiThreshold" not in kinds:
        sys.exit(f"check_onnx.py: at most {most} may be others, and units are MultiThreshold")


if __name__ == "__main__":
    if sys.argv[1] == "--qonnx":
        mnist_quantised(*sys.argv[2:])
    elif sys.argv[1] == "--mnist":
        mnist(*sys.argv[2:])
    else:
        random_networks(sys.argv[1])
