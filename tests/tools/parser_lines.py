"""Line coverage of the parsers from an LCOV file: each parser is a range of lines of a
source file, from the line of its first function to the end of its last.

    python3 tests/tools/parser_lines.py lcov.info
"""

import re
import sys

# File, and the functions that read what others wrote; None is the whole file.
PARSERS = {
    "src/bounded.rs": ["fill"],
    "src/data/idx_parse.rs": [
        "from", "fault", "parse_images", "parse_labels", "decompressed", "read",
        "elements", "word", "kind_name",
    ],
    "src/data/gzip.rs": None,
    "src/data/archive.rs": None,
    "src/data/orientation.rs": None,
    "src/data/raster.rs": None,
    "src/data/picture.rs": ["from", "luminance"],
    "src/data/formats/tree.rs": None,
    "src/data/formats/layout.rs": None,
    "src/data/formats/pictures.rs": None,
    "src/data/formats/decoded.rs": None,
    "src/data/formats/sized.rs": None,
    "src/data/formats/cifar.rs": None,
    "src/data/formats/npy.rs": None,
    "src/data/formats/numbers.rs": None,
    "src/data/formats/arrays.rs": None,
    "src/data/formats/tensors.rs": None,
    "src/data/formats/material.rs": None,
    "src/data/fit.rs": None,
    "src/cli/infer/inputs.rs": ["add", "fit", "named"],
    "src/cli/recipe.rs": ["parse"],
    "src/model/spec.rs": None,
    "src/model/pixels.rs": None,
    "src/model/weights.rs": ["import", "parse", "parse_any", "words"],
    "src/train/checkpoint.rs": ["restore"],
    "src/train/run.rs": ["parse_json", "parse_metrics"],
    "src/train/config.rs": ["check", "check_samples", "check_batch_norm"],
    "src/study/cell.rs": ["parse"],
    "src/study/suite.rs": ["parse"],
    "src/study/row.rs": ["rows", "parts", "joined", "check"],
    "src/train/partial.rs": ["parse", "of_value"],
    "src/serve/http.rs": ["parse", "take"],
    "src/serve/hosts.rs": ["allow", "is_own"],
    "src/serve/site.rs": ["respond", "answer", "read"],
    "src/packed/file.rs": ["each_tensor", "to_bytes", "from_bytes", "words"],
    "src/packed/layer.rs": ["depth", "output", "sums_of", "flow", "name"],
    "src/packed/mod.rs": ["outline", "check_tensors", "sums", "range", "most", "memory"],
}


def spans(path, names):
    """The line ranges of the functions of those names, without the tests."""
    lines = open(path).read().split("\n")
    tests = next((i for i, l in enumerate(lines) if l.startswith("#[cfg(test)]")), len(lines))
    if names is None:
        return [(1, tests)]
    names = [n.split("::")[-1] if ":" in n else n for n in names]
    found = []
    for i, line in enumerate(lines[:tests]):
        m = re.match(r"(\s*)(?:pub(?:\([a-z]+\))? )?(?:const )?fn (\w+)", line)
        if m and m.group(2) in names:
            close = m.group(1) + "}"
            end = next(j for j in range(i, tests) if lines[j] == close)
            found.append((i + 1, end + 1))
    missing = set(names) - {re.search(r"fn (\w+)", lines[a - 1]).group(1) for a, _ in found}
    assert not missing, f"{path} has no function {missing}"
    return found


def main():
    hits, path = {}, None
    for line in open(sys.argv[1]):
        if line.startswith("SF:"):
            path = line[3:].strip()
        elif line.startswith("DA:"):
            number, count = line[3:].strip().split(",")[:2]
            known = hits.setdefault(path, {})
            known[int(number)] = max(known.get(int(number), 0), int(count))
    reached = total = 0
    for parser, names in PARSERS.items():
        wanted = spans(parser, names)
        of = {}
        for full, lines in hits.items():
            if full.replace("tests/fuzz/../../", "").endswith("/" + parser):
                for n, count in lines.items():
                    if any(a <= n <= b for a, b in wanted):
                        of[n] = max(of.get(n, 0), count)
        assert of, f"no lines of {parser}"
        good = sum(1 for c in of.values() if c)
        missed = sorted(n for n, c in of.items() if not c)
        print(f"{parser}: {good} of {len(of)} lines, {100 * good / len(of):.1f} %"
              + (f"; not {', '.join(map(str, missed))}" if missed else ""))
        reached, total = reached + good, total + len(of)
    print(f"all parsers: {reached} of {total} lines, {100 * reached / total:.1f} %")


main()
