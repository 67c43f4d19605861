"""Kills processes of a training over MPI, and compares what it comes to with an unbroken run.

Usage: mpi_kill.py PROGRAM [KILLS [SEED]]   (60 kills, seed 1)

Each run is begun on 1 to 4 processes; after a random time a random one of them gets
SIGKILL. The run is continued on another number of processes, until it is complete; then
another run is begun, until there were so many kills. Of each kill is noted how long the
others took to end. PROGRAM has the feature `mpi`; mpirun is Open MPI's.
"""

import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

from run_bits import bits

# Seconds within which no process may be left of a job of which one was killed.
LIMIT = 30.0
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]


def write_data(folder, rng):
    """MNIST's four files, with 360 and 60 images of bars at the place of their class."""
    for part, count in (("train", 360), ("t10k", 60)):
        labels = bytes(i % 10 for i in range(count))
        pixels = bytearray()
        for label in labels:
            image = bytearray(rng.randrange(60) for _ in range(784))
            for row in range(4, 24):
                for column in range(2 + 2 * label, 6 + 2 * label):
                    image[row * 28 + column] = 200 + rng.randrange(56)
            pixels += image
        images = folder / f"{part}-images-idx3-ubyte"
        images.write_bytes(struct.pack(">4I", 2051, count, 28, 28) + bytes(pixels))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, count) + labels)


def workers(parent, program):
    """The processes of the program below mpirun."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
            name = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
        except (OSError, UnicodeDecodeError):
            continue
        if name == program and int(stat.rsplit(")", 1)[1].split()[1]) == parent:
            found.append(int(entry.name))
    return found


def main():
    program = os.path.realpath(sys.argv[1])
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        write_data(place, rng)
        flags = [
            "train", "--quiet", "--dataset", "idx", "--data", str(place), "--model", "mlp",
            "--mode", "stoch", "--epochs", "60", "--batch", "32", "--threads", "1",
        ]
        whole = place / "whole"
        subprocess.run([program, *flags, "--out", whole], check=True, stdout=subprocess.DEVNULL)
        want = bits(whole)
        done, runs, longest, lasting = 0, 0, 0.0, []
        while done < kills:
            runs += 1
            run = place / f"run-{runs}"
            for _ in range(1000):
                ranks = rng.randrange(1, 5)
                more = ["--resume"] if (run / "config.json").exists() else []
                if not more and run.exists():
                    # Killed before the run was one.
                    more = ["--force"]
                command = [*MPIRUN, "-n", str(ranks), program, *flags, *more]
                command += ["--distributed", "mpi", "--patience", "20", "--out", str(run)]
                job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                deadline = time.monotonic() + rng.uniform(0.2, 6.0)
                while time.monotonic() < deadline and job.poll() is None:
                    time.sleep(0.01)
                if job.poll() is not None:
                    break
                found = workers(job.pid, program)
                if not found or done == kills:
                    job.wait(300)
                    break
                try:
                    os.kill(rng.choice(found), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                begun = time.monotonic()
                try:
                    said = job.communicate(timeout=LIMIT)[1]
                except subprocess.TimeoutExpired:
                    sys.exit(f"error: kill {done + 1}: the job goes on after {LIMIT} s")
                took = time.monotonic() - begun
                left = [pid for pid in found if workers(job.pid, program)]
                if left:
                    sys.exit(f"error: kill {done + 1}: processes are left: {left}")
                done, longest = done + 1, max(longest, took)
                lasting.append(took)
                if "panicked" in said:
                    sys.exit(f"error: kill {done}: {said}")
            if job.returncode != 0:
                sys.exit(f"error: run {runs}: {job.communicate()[1]}")
            if bits(run) != want:
                sys.exit(f"error: run {runs} differs from the unbroken one")
            print(f"run {runs}: the unbroken run's bits; {done} kills so far", flush=True)
        middle = sorted(lasting)[len(lasting) // 2]
        print(
            f"{done} kills of a random one of 1 to 4 processes in {runs} runs: each ends with the unbroken run's bits; "
            f"the others had ended {middle:.2f} s (median) and at most {longest:.2f} s after the kill"
        )


if __name__ == "__main__":
    main()
