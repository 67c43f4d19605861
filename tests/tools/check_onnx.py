#!/usr/bin/env python3
"""Compares exported ONNX files with the packed networks that they were made from.

  check_onnx.py FOLDER                       random networks, as tests/export_onnx.rs wrote them
  check_onnx.py --mnist FILE.onnx IMAGES LABELS ANSWERS MOST
                                       a network of MNIST on all test images; ANSWERS is what
                                       `bnn-cpu infer --packed --csv` says of them, and at most MOST
                                       classes may be others

Every file passes the format's own checker, and ONNX Runtime answers: where weights are binary with
the packed network's class and its logits within rounding, where they are real with the logits within
rounding for all but a few images, because a rounding may turn a bit.
"""
import gzip
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime


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


def near(found, wanted):
    """For each row whether all its numbers are equal within rounding."""
    reach = 1e-4 * np.abs(wanted).max(axis=1, keepdims=True) + 1e-5
    return (np.abs(found - wanted) <= reach).all(axis=1)


def random_networks(folder):
    total, wrong, kinds = {}, {}, set()
    for path in sorted(Path(folder).glob("*.onnx")):
        kind = path.name.split("-")[0]
        run = session(path)
        kinds.add(run.get_inputs()[0].type)
        images = np.frombuffer(path.with_suffix(".images").read_bytes(), np.uint8).reshape(8, -1)
        wanted = np.frombuffer(path.with_suffix(".logits").read_bytes(), np.float32).reshape(8, -1)
        found = answer(run, images)
        # One image at a time answers as a batch does.
        one = answer(run, images[:1])
        same = near(found, wanted)
        if kind == "binary" and not (same.all() and near(one, wanted[:1]).all()):
            sys.exit(f"check_onnx.py: {path.name} answers otherwise: {onnx.load(str(path)).doc_string}")
        total[kind] = total.get(kind, 0) + 8
        wrong[kind] = wrong.get(kind, 0) + int((~same).sum())
    if len(kinds) != 2 or set(total) != {"binary", "real"}:
        sys.exit(f"check_onnx.py: {folder} does not hold both kinds of networks and of pixels")
    for kind, count in total.items():
        print(f"{kind} weights: {count} images, {wrong[kind]} with other logits")
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


if __name__ == "__main__":
    if sys.argv[1] == "--mnist":
        mnist(*sys.argv[2:])
    else:
        random_networks(sys.argv[1])
