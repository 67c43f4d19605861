#!/usr/bin/env bash
# Exported ONNX files in ONNX Runtime beside the packed networks that they were made from, and ONNX
# files of others as runs (tests/tools/import_onnx.py).
#
#   tests/tools/onnx.sh PROGRAM        PROGRAM is a built bnn-cpu
#
# Random networks of every form, by tests/exports/onnx.rs; where BNN_CPU_DATA names MNIST, the
# committed xnor-net with bytes and with floats as pixels, and networks with real weights after one
# epoch, on all test images; the random ones and the committed one in QONNX as well, by the executor
# of the package qonnx. ONNX Runtime comes into a virtual environment of its own, once for all
# clones; leaves with status 3 where it is not to be had.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."

version=1.23.2
env=${XDG_CACHE_HOME:-$HOME/.cache}/bnn-cpu-onnx-$version-qonnx
if [ ! -e "$env/complete" ]; then
  rm -rf "$env"
  if ! python3 -m venv "$env" || ! timeout 600 "$env/bin/pip" install --quiet \
    --disable-pip-version-check "onnx==$version" "onnxruntime==1.32.0" "qonnx==1.0.0" numpy; then
    echo "onnx.sh: left out: ONNX Runtime cannot be installed" >&2
    exit 3
  fi
  touch "$env/complete"
fi
check() { "$env/bin/python" tests/tools/check_onnx.py "$@"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/random"
BNN_CPU_ONNX=$work/random cargo test --quiet --test exports onnx:: >/dev/null
check "$work/random"

"$env/bin/python" tests/tools/import_onnx.py "$program"

if [ -z "${BNN_CPU_DATA:-}" ]; then
  echo "onnx.sh: left out: networks of MNIST (set BNN_CPU_DATA)" >&2
  exit 0
fi
images=$(find -L "$BNN_CPU_DATA" -name 't10k-images*' | head -1)
labels=$(find -L "$BNN_CPU_DATA" -name 't10k-labels*' | head -1)

# network RUN NAME MOST: its answers here and there
network() {
  "$program" --quiet infer --packed --csv --model "$1" --data "$BNN_CPU_DATA" >"$work/answers.csv"
  for pixels in uint8 float; do
    "$program" --quiet export "$1" --to onnx --pixels $pixels --name "$2_$pixels" --out "$work" >/dev/null
    check --mnist "$work/$2_$pixels.onnx" "$images" "$labels" "$work/answers.csv" "$3"
  done
  "$program" --quiet export "$1" --to qonnx --name "$2_qonnx" --out "$work" >/dev/null
  check --qonnx "$work/$2_qonnx.onnx" "$images" "$work/answers.csv" "$3"
}
network results/networks/xnor-net xnor_net 0
# A rounding may turn a bit of a network with real weights.
for model in seed-net mixed-net; do
  "$program" --quiet train --model $model --dataset mnist --data "$BNN_CPU_DATA" --epochs 1 \
    --out "$work/$model" >/dev/null
  network "$work/$model" "${model//-/_}" 5
done
