"""Threads, forks, signals, the GIL, panics."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bnn_cpu


def classified(packed: bnn_cpu.PackedNet, images: Any) -> list[int]:
    """What a worker of another process finds."""
    return [int(c) for c in packed.classify(images)]


def trained_in_child(seed: int) -> float:
    """The accuracy of a short training."""
    images = np.random.default_rng(0).integers(0, 256, (100, 8, 8), np.uint8)
    labels = np.arange(100) % 2
    data = (images, labels, images, labels)
    run = bnn_cpu.train("mlp", data=data, epochs=1, seed=seed, out=False, progress=False)
    assert run.accuracy is not None
    return run.accuracy


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore")
def test_children_compute_and_give_the_same(
    method: str, run: bnn_cpu.Run, digits: bnn_cpu.Dataset
) -> None:
    packed, images = run.pack(), digits.test.images[:100]
    # The parent has threads by now.
    ours = [int(c) for c in packed.classify(images)]
    here = trained_in_child(1)
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.starmap_async(classified, [(packed, images)] * 3).get(timeout=120)
        accuracy = pool.map_async(trained_in_child, [1]).get(timeout=120)
    assert found == [ours] * 3
    assert accuracy == [here]


def test_joblib_takes_runs(run: bnn_cpu.Run, digits: bnn_cpu.Dataset) -> None:
    joblib = pytest.importorskip("joblib")
    images = digits.test.images[:50]
    work = [joblib.delayed(classified)(run.pack(), images)] * 2
    assert joblib.Parallel(n_jobs=2)(work) == [classified(run.pack(), images)] * 2


def test_the_variable_and_the_call_set_threads() -> None:
    def asked(value: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "import bnn_cpu; print(bnn_cpu.threads())"],
            env={**os.environ, "BNN_CPU_THREADS": value, "OMP_NUM_THREADS": "7"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert asked("3").stdout == "3\n"
    assert asked("").stdout.strip() == str(len(os.sched_getaffinity(0)))
    assert "BNN_CPU_THREADS" in asked("many").stderr
    before = bnn_cpu.threads()
    bnn_cpu.set_threads(2)
    assert bnn_cpu.threads() == 2
    bnn_cpu.set_threads(0)
    assert bnn_cpu.threads() == before


def test_the_gil_is_released_while_it_works(digits: bnn_cpu.Dataset) -> None:
    counted, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    net = bnn_cpu.Network("seed-net", batch=500)
    before = counted[0]
    # One call, which would hold the GIL for all of its time if it did at all.
    begun = time.monotonic()
    net.forward(np.concatenate([digits.test.images] * 20))
    took = time.monotonic() - begun
    during = counted[0] - before
    stop.set()
    thread.join()
    assert during > took / 0.1, (during, took)


SCRIPT = """
import sys, bnn_cpu
bnn_cpu.train("seed-net", data="digits", out=sys.argv[1], progress=False,
              callbacks=[lambda e: print(e["event"], flush=True)])
"""


def test_ctrl_c_saves_and_the_run_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in err and process.returncode != 0
    # Threads of the engine are none of Python's: nothing is left to wait for.
    assert (out / "checkpoint.safetensors").exists()

    def stop(event: dict[str, Any]) -> bool:
        return event["event"] != "begin" or not event["resumed"]

    with pytest.raises(KeyboardInterrupt):
        bnn_cpu.train(out=out, resume=True, progress=False, callbacks=[stop])


def test_ctrl_c_stops_the_lab() -> None:
    script = textwrap.dedent(
        """
        import bnn_cpu
        print("begin", flush=True)
        bnn_cpu.lab(binary="both", dataset="digits", draws=100000)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "begin\n"
    time.sleep(3)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in err
    assert time.monotonic() - begun < 50


def test_notices_and_warnings_are_pythons(digits: bnn_cpu.Dataset) -> None:
    with pytest.warns(RuntimeWarning, match="most frequent class"):
        bnn_cpu.train("mlp", data=digits, lr=1000.0, epochs=1, out=False, progress=False)
