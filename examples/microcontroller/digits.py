#!/usr/bin/env python3
"""Writes digits.h: pictures out of a pair of IDX files, for the example to classify.

  digits.py t10k-images-idx3-ubyte t10k-labels-idx1-ubyte COUNT > digits.h

The files may be compressed with gzip. The first COUNT pictures are taken.
"""

import gzip
import sys


def content(path):
    with open(path, "rb") as file:
        data = file.read()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def main():
    images, labels, count = content(sys.argv[1]), content(sys.argv[2]), int(sys.argv[3])
    size = int.from_bytes(images[8:12], "big") * int.from_bytes(images[12:16], "big")
    if len(images) < 16 + count * size or len(labels) < 8 + count:
        sys.exit(f"digits.py: there are fewer than {count} pictures")
    print("/* Pictures and what they show, written by digits.py. */\n")
    print("#ifndef DIGITS_H\n#define DIGITS_H\n\n#include <stdint.h>\n")
    print(f"#define DIGITS {count}\n")
    print(f"static const uint8_t digit_labels[DIGITS] = {{ {', '.join(map(str, labels[8:8 + count]))} }};\n")
    print(f"static const uint8_t digit_pixels[DIGITS][{size}] = {{")
    for i in range(count):
        pixels = images[16 + i * size : 16 + (i + 1) * size]
        rows = [", ".join(map(str, pixels[r : r + 28])) for r in range(0, size, 28)]
        print("  { " + ",\n    ".join(rows) + " }" + ("," if i + 1 < count else ""))
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
