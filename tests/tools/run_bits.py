"""Prints what a run came to, to the bit, without its times and its id.

Usage: run_bits.py RUN [RUN ...]

For each run one line: a SHA-256 over the numbers of its best weights and of its last
checkpoint, and over the records of its epochs and its test.
"""

import hashlib
import json
import pathlib
import sys

OF_MACHINES = {
    "commit", "cpu", "img_per_s", "isa", "machine", "seconds", "threads", "train_seconds", "version",
}


def tensors(path):
    """The names, shapes and bytes of a safetensors file, in the order of names."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    for name in sorted(header):
        first, last = header[name]["data_offsets"]
        shape = (name, header[name]["dtype"], header[name]["shape"])
        yield repr(shape).encode() + data[8 + size + first : 8 + size + last]


def timeless(value):
    """A record without what differs from machine to machine."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in OF_MACHINES}
    if isinstance(value, list):
        return [timeless(v) for v in value]
    return value


def content(record):
    """A record without its seal."""
    return {k: v for k, v in record.items() if k not in {"sha256", "format", "run_id", "config_sha256"}}


def bits(run):
    """The digest of a run."""
    digest = hashlib.sha256()
    for name in ("best.safetensors", "checkpoint.safetensors"):
        for part in tensors(run / name):
            digest.update(part)
    for line in (run / "metrics.jsonl").read_text().splitlines():
        digest.update(json.dumps(timeless(content(json.loads(line))), sort_keys=True).encode())
    test = run / "test.json"
    if test.exists():
        record = content(json.loads(test.read_text()))
        digest.update(json.dumps(timeless(record), sort_keys=True).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    for run in sys.argv[1:]:
        print(bits(pathlib.Path(run)), run)
