"""A table, a sweep or a lab as tasks of HyperQueue.

  pip install hyperqueue
  python3 examples/cluster/hyperqueue_table.py 8 table --suite tuned --seeds 5

The first argument is the number of parts. With $HQ_SERVER_DIR set, the tasks go to the server of
that folder (`hq server start`, and `hq worker start` on each node, as from a job of the
cluster's scheduler); without it, a server and a worker are started here. The folder is one that
all nodes share. A task that fails is tried again, and goes on where it was (a lab's
begins anew).
"""

import os
import sys
from pathlib import Path

from hyperqueue import Client, Job
from hyperqueue.cluster import LocalCluster


def submit(client, parts, command):
    """Submits the parts, and waits for them."""
    program = os.environ.get("BNN_CPU", "bnn-cpu")
    threads = os.environ.get("THREADS", "1")
    job = Job(max_fails=0)
    for part in range(1, parts + 1):
        flags = ["--quiet", "--threads", threads, "--shard", f"{part}/{parts}"]
        out = Path("hyperqueue").absolute()
        out.mkdir(exist_ok=True)
        job.program(
            [program, *command, *flags],
            cwd=str(Path.cwd()),
            stdout=str(out / f"{part}.out"),
            stderr=str(out / f"{part}.err"),
        )
    submitted = client.submit(job)
    client.wait_for_jobs([submitted])
    print(f"all {parts} parts are done")


def main():
    parts, command = int(sys.argv[1]), sys.argv[2:]
    server = os.environ.get("HQ_SERVER_DIR")
    if server:
        submit(Client(server), parts, command)
        return
    with LocalCluster() as cluster:
        cluster.start_worker()
        submit(cluster.client(), parts, command)


if __name__ == "__main__":
    main()
