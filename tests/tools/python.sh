#!/usr/bin/env bash
# Builds the Python package as a wheel, installs it into an empty virtual environment and runs its
# tests, its type checker and its notebooks in their short form there.
#
#   tests/tools/python.sh            a wheel of a debug build, which shares what `cargo test` built
#   tests/tools/python.sh --release  a wheel as users get it, whose size is checked
#
# PYTHON names the interpreter (python3). Exits with 3 where Python 3.10 or newer, or a package
# that the tests need, is not to be had; the last lines say what was left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
project=$PWD
python=${PYTHON:-python3}

unready() {
  echo "python.sh: $*" >&2
  exit 3
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
  || unready "there is no Python 3.10 or newer"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/build" || unready "cannot make a virtual environment (python3-venv)"
"$work/build/bin/pip" -q install 'maturin>=1.9,<2' || unready "cannot install maturin"

# The tests' own interpreter: the wheel, NumPy, and what the optional parts stand on.
"$python" -m venv "$work/venv"
venv=$work/venv/bin
# The wheel is built out of the source distribution, which must hold all that it takes.
"$work/build/bin/maturin" sdist --manifest-path python/Cargo.toml --out "$work/sdist"
tar -xzf "$work"/sdist/*.tar.gz -C "$work/sdist"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
(cd "$work"/sdist/*/ && CARGO_TARGET_DIR=$target PYO3_PYTHON=$venv/python "$work/build/bin/maturin" \
  build -q ${1:+"$1"} --interpreter "$venv/python" --out "$work/wheels")
wheel=$(echo "$work"/wheels/*.whl)
case $wheel in *-cp310-abi3-*) ;; *) echo "error: $wheel is no wheel for every Python from 3.10" >&2; exit 1 ;; esac
size=$(wc -c <"$wheel")
echo "wheel: $size bytes"
if [ "${1:-}" = --release ] && [ "$size" -gt 6000000 ]; then
  echo "error: the wheel has more than 6,000,000 bytes" >&2
  exit 1
fi
"$venv/pip" -q install "$wheel"
# A wheel that needs more than NumPy would show here.
[ "$("$venv/pip" list --format=freeze | grep -vcE '^(pip|setuptools|wheel|numpy|bnn-cpu)=')" = 0 ] \
  || { echo "error: the wheel needs more than NumPy" >&2; exit 1; }
"$venv/bnn-cpu" --version
"$venv/python" -c 'import bnn_cpu; print(bnn_cpu.PackedNet.__doc__.splitlines()[0])'

"$venv/pip" -q install "$wheel[test]" "mypy==2.4.1" "ruff==0.17.6" nbclient nbformat ipykernel \
  || unready "cannot install what the tests need"
# The package's own folder must not stand in for the installed one.
cp -r python/tests "$work/tests"
(cd "$work" && "$venv/python" -m pytest -q -p no:cacheprovider -rs tests)
(cd python && "$venv/mypy" --cache-dir "$work/mypy" && "$venv/ruff" check --no-cache . && "$venv/ruff" format --no-cache --check .)
(cd "$work" && "$venv/python" "$project/tests/tools/notebooks.py")
if ! "$venv/python" -c 'import torch' 2>/dev/null; then
  echo "left out: tests of networks from PyTorch, which is not installed (gigabytes)"
fi
