"""Packed networks: equal to the network and the program, arrays of every form, copies."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import bnn_cpu


@pytest.fixture(scope="module")
def packed(run: bnn_cpu.Run) -> bnn_cpu.PackedNet:
    return run.pack()


def test_every_form_of_images_gives_the_same(
    packed: bnn_cpu.PackedNet, digits: bnn_cpu.Dataset
) -> None:
    x = digits.test.images
    logits = packed.logits(x)
    assert logits.shape == (len(x), 10)
    forms = [x[:, 0], np.moveaxis(x, 1, 3), x[:, :, ::-1][:, :, ::-1], x.reshape(len(x), -1)]
    layouts = ["nchw", "nhwc", "nchw", "nchw"]
    for images, layout in zip(forms, layouts, strict=True):
        assert np.array_equal(packed.logits(images, layout=layout), logits)
    classes = packed.classify(x)
    assert np.array_equal(classes, np.argmax(logits, axis=1))
    for i in range(20):
        image = np.ascontiguousarray(x[i, 0])
        assert packed.classify(image) == packed.classify(x[i]) == classes[i]
        assert np.array_equal(packed.logits(image), logits[i])
    probabilities = packed.probabilities(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_threads_do_not_change_a_bit(packed: bnn_cpu.PackedNet, digits: bnn_cpu.Dataset) -> None:
    x = digits.test.images
    each = [packed.logits(x, threads=n) for n in (1, 2, 5)]
    assert all(np.array_equal(each[0], other) for other in each[1:])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: packed.classify(x[i]), range(100)))
    assert found == list(packed.classify(x[:100]))


def test_the_program_classifies_the_same(run: bnn_cpu.Run, tmp_path: Path) -> None:
    assert run.path is not None and run.dataset is not None
    pack = [sys.executable, "-m", "bnn_cpu", "pack", str(run.path), "-o"]
    subprocess.run([*pack, str(tmp_path / "p"), "--quiet"], check=True, capture_output=True)
    packed = bnn_cpu.PackedNet(tmp_path / "p")
    assert packed.to_bytes() == (tmp_path / "p").read_bytes()
    x = run.dataset.test.images
    np.save(tmp_path / "images.npy", x[:, 0])
    ours = packed.classify(x)
    network = run.network.predict(x)
    # Real weights are summed in another order; thresholds may fall on either side of rounding.
    assert np.mean(ours == network) > 0.99


def test_bytes_files_and_pickles_are_the_same(
    packed: bnn_cpu.PackedNet, digits: bnn_cpu.Dataset, tmp_path: Path
) -> None:
    size = packed.save(tmp_path / "net.packed")
    assert size == (tmp_path / "net.packed").stat().st_size == len(packed.to_bytes())
    x = digits.test.images[:50]
    for other in (
        bnn_cpu.PackedNet(str(tmp_path / "net.packed")),
        bnn_cpu.PackedNet(packed.to_bytes()),
        pickle.loads(pickle.dumps(packed)),
    ):
        assert np.array_equal(packed.logits(x), other.logits(x))
    assert "seed-net" in repr(packed) and "<table" in packed._repr_html_()


def test_a_damaged_file_is_refused(packed: bnn_cpu.PackedNet, tmp_path: Path) -> None:
    damaged = bytearray(packed.to_bytes())
    damaged[-1] ^= 1
    for file in (bytes(damaged), b"", b"nothing"):
        with pytest.raises((ValueError, bnn_cpu.Error)) as error:
            bnn_cpu.PackedNet(file)
        assert len(str(error.value).splitlines()) == 1
    with pytest.raises(OSError, match="nowhere"):
        bnn_cpu.PackedNet(tmp_path / "nowhere")


def test_images_that_do_not_fit_are_refused(packed: bnn_cpu.PackedNet) -> None:
    with pytest.raises(TypeError, match="uint8"):
        packed.classify(np.zeros((28, 28), np.float32))
    for shape in [(27, 28), (2, 27, 28), (2, 3, 28, 28), (5,)]:
        with pytest.raises(ValueError, match="28|dimensions"):
            packed.classify(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="classifier"):
        packed.embed(np.zeros((28, 28), np.uint8))
    with pytest.raises(ValueError, match="layout"):
        packed.classify(np.zeros((2, 28, 28), np.uint8), layout="nope")


def test_the_module_is_the_program() -> None:
    program = [sys.executable, "-m", "bnn_cpu"]
    shown = subprocess.run([*program, "estimators", "--json"], capture_output=True, check=True)
    names = {json.loads(line).get("name") for line in shown.stdout.splitlines()}
    listed = {e["name"] for e in bnn_cpu.estimators()}
    assert "disarm" in listed and (names & listed or b"disarm" in shown.stdout)
    wrong = subprocess.run([*program, "train", "--epoch", "3"], capture_output=True, check=False)
    assert wrong.returncode == 2 and wrong.stderr.startswith(b"error: ")
