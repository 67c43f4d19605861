#!/usr/bin/env bash
# Networks of other programs, as tests/golden/onnx holds them, made anew and imported.
#
#   tests/tools/foreign.sh PROGRAM [FOLDER]     PROGRAM is a built bnn-cpu; FOLDER keeps the files
#
# PyTorch, Brevitas and Larq come into two virtual environments of their own, once for all clones
# (2 GB); leaves with status 3 where they are not to be had. Not part of .ci/run: the committed files
# are compared there by tests/exports/import_onnx.rs.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}
folder=${2:-$(mktemp -d)}

# environment NAME PACKAGES...
environment() {
  local env=$cache/bnn-cpu-$1
  shift
  if [ ! -e "$env/complete" ]; then
    rm -rf "$env"
    if ! python3 -m venv "$env" || ! timeout 1200 "$env/bin/pip" install --quiet \
      --disable-pip-version-check "$@"; then
      echo "foreign.sh: left out: $1 and its like cannot be installed" >&2
      exit 3
    fi
    touch "$env/complete"
  fi
}
environment foreign-torch brevitas==0.12.1 "onnx<1.20" qonnx onnxscript onnxoptimizer
environment foreign-larq tensorflow-cpu==2.15.1 larq tf2onnx onnx==1.16.2 "protobuf<4.26" "numpy<2"

export TF_CPP_MIN_LOG_LEVEL=3
"$cache/bnn-cpu-foreign-torch/bin/python" tests/tools/foreign.py torch "$folder"
"$cache/bnn-cpu-foreign-torch/bin/python" tests/tools/foreign.py brevitas "$folder"
"$cache/bnn-cpu-foreign-larq/bin/python" tests/tools/foreign.py larq "$folder"
for name in torch torch_dynamo brevitas larq; do
  "$program" import "$folder/$name.onnx" --pixels unit --check "$folder/$name.x.npy" "$folder/$name.y.npy" \
    --out "$folder/$name" --force
done
