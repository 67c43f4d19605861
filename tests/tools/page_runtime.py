"""Packs the two modules of exported pages into src/export/page/runtime.bin, or compares them.

    page_runtime.py --write|--check PLAIN.wasm SIMD.wasm

The file: the number of bytes that the stream holds, the sizes of both modules and of the steps
(four little-endian words), and a stream of DEFLATE of the first module, the steps that make the
second one of it, and the bytes that those add. `src/export/page/runtime.js` reads it.
"""

import hashlib
import json
import subprocess
import sys
import zlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "src/export/page"
LEAST = 8


def number(n):
    text = b""
    while n > 127:
        text += bytes([n & 127 | 128])
        n >>= 7
    return text + bytes([n])


def length(a, i, b, j):
    n = 0
    while i + n < len(a) and j + n < len(b) and a[i + n] == b[j + n]:
        n += 1
    return n


def steps(first, second):
    """The steps, and the bytes that they add: a step adds some, moves, and copies some."""
    places = {}
    for i in range(len(first) - LEAST, -1, -1):
        places.setdefault(first[i : i + LEAST], []).append(i)
    written, own, added = bytearray(), bytearray(), 0
    at = last = expected = 0
    while at < len(second):
        known = places.get(second[at : at + LEAST], [])
        near = sorted(known, key=lambda i: abs(i - expected))[:30]
        found = max(near + [expected], key=lambda i: length(first, i, second, at))
        n = length(first, found, second, at)
        if n >= LEAST or (n >= 4 and found == expected):
            jump = found - last
            written += number(added) + number(2 * jump if jump >= 0 else -2 * jump - 1) + number(n)
            at, last, expected, added = at + n, found + n, found + n, 0
        else:
            own.append(second[at])
            at, added, expected = at + 1, added + 1, min(expected + 1, len(first))
    if added:
        written += number(added) + number(0) + number(0)
    return bytes(written), bytes(own)


def deflate(data):
    """A stream of DEFLATE: by the package zopfli, which makes 4 % less, where it is installed."""
    try:
        import zopfli.zlib
    except ImportError:
        print("page_runtime.py: the package zopfli is not installed: the stream is 4 % larger", file=sys.stderr)
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
        return squeeze.compress(data) + squeeze.flush()
    # Without the two bytes before the stream and the four behind it.
    return zopfli.zlib.compress(data)[2:-4]


def packed(first, second):
    written, own = steps(first, second)
    all_bytes = first + written + own
    stream = deflate(all_bytes)
    if zlib.decompress(stream, -15) != all_bytes:
        sys.exit("page_runtime.py: the stream does not hold what was packed")
    head = [len(all_bytes), len(first), len(second), len(written)]
    return b"".join(n.to_bytes(4, "little") for n in head) + stream


def digest(data):
    return hashlib.sha256(data).hexdigest()


def main():
    mode, *paths = sys.argv[1:]
    first, second = (Path(path).read_bytes() for path in paths)
    compiler = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True)
    made = {
        "compiler": compiler.stdout.strip(),
        "plain": {"bytes": len(first), "sha256": digest(first)},
        "simd": {"bytes": len(second), "sha256": digest(second)},
    }
    if mode == "--write":
        data = packed(first, second)
        made["runtime.bin"] = {"bytes": len(data), "sha256": digest(data)}
        (FOLDER / "runtime.bin").write_bytes(data)
        (FOLDER / "runtime.json").write_text(json.dumps(made, indent=2) + "\n")
        print(f"runtime.bin: {len(data)} bytes of {len(first)} and {len(second)}")
        return
    stated = json.loads((FOLDER / "runtime.json").read_text())
    if digest((FOLDER / "runtime.bin").read_bytes()) != stated["runtime.bin"]["sha256"]:
        sys.exit("page_runtime.py: runtime.bin is not what runtime.json states; run page_runtime.sh --write")
    if made["compiler"] != stated["compiler"]:
        print(f"the modules were built by {stated['compiler']}, and here is {made['compiler']}: not compared")
        return
    for name in ["plain", "simd"]:
        if made[name] != stated[name]:
            sys.exit(
                f"page_runtime.py: the module {name} is another than the committed one: "
                f"{made[name]}, not {stated[name]}; run page_runtime.sh --write"
            )
    print(f"both modules are the committed ones ({stated['compiler']})")


main()
