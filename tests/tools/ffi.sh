#!/usr/bin/env bash
# The interface for C: makes its header again and compares it, builds the library, compiles
# examples/c/classify.c with all warnings as errors, with the sanitisers where there are any, and
# compares its answers with the program's.
#
#   tests/tools/ffi.sh PROGRAM [--write]      PROGRAM is a built bnn-cpu; --write writes the header
#
# Without cbindgen (`cargo install cbindgen`) the header is not compared.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
if command -v cbindgen >/dev/null; then
  cbindgen --quiet --config src/ffi/cbindgen.toml --output "$made/bnn_cpu.h" src/ffi/calls.rs
  if [ "${2:-}" = --write ]; then cp "$made/bnn_cpu.h" src/ffi/bnn_cpu.h; fi
  if ! diff src/ffi/bnn_cpu.h "$made/bnn_cpu.h"; then
    echo "ffi.sh: bnn_cpu.h is not what src/ffi/calls.rs says; run tests/tools/ffi.sh PROGRAM --write" >&2
    exit 1
  fi
  echo "bnn_cpu.h is what src/ffi/calls.rs says"
else
  echo "ffi.sh: left out: the header is not compared, there is no cbindgen" >&2
fi

cargo rustc --quiet --profile "${PROFILE:-dev}" --lib --no-default-features --features ffi --crate-type cdylib
folder=${CARGO_TARGET_DIR:-target}/debug
[ "${PROFILE:-dev}" = dev ] || folder=${CARGO_TARGET_DIR:-target}/$PROFILE
export LD_LIBRARY_PATH=$folder

net=results/networks/xnor-net/best.packed
python3 - "$made" <<'PYTHON'
import random, sys
random.seed(1)
data = bytes(random.randrange(256) for _ in range(784 * 200))
folder = sys.argv[1]
open(f"{folder}/images", "wb").write(data)
# The same images as an IDX file for the program.
head = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (200, 28, 28))
open(f"{folder}/images-idx3-ubyte", "wb").write(head + data)
PYTHON
"$program" --quiet infer --packed --csv --model "$net" "$made/images-idx3-ubyte" | tail -n +2 |
  cut -d, -f2 >"$made/wanted"
compiled=0
for compiler in "gcc" "clang" "gcc -fsanitize=address,undefined -fno-sanitize-recover=all"; do
  # shellcheck disable=SC2086 # words of a command
  if ! command -v ${compiler%% *} >/dev/null; then continue; fi
  # shellcheck disable=SC2086
  $compiler -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -pedantic -Werror -O1 -Isrc/ffi \
    examples/c/classify.c -L"$folder" -lbnn_cpu -lpthread -o "$made/classify"
  "$made/classify" "$net" "$made/images" | cut -d' ' -f1 >"$made/found"
  cmp "$made/found" "$made/wanted"
  if "$made/classify" "$made/images" "$made/images" >/dev/null 2>"$made/said"; then
    echo "ffi.sh: a file that is no network was taken" >&2
    exit 1
  fi
  grep -q safetensors "$made/said"
  compiled=$((compiled + 1))
done
if [ $compiled = 0 ]; then
  echo "ffi.sh: left out: there is no compiler of C" >&2
  exit 3
fi
echo "200 images by $compiled compilers: every class is the program's"
