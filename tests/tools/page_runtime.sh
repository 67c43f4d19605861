#!/usr/bin/env bash
# Builds the WebAssembly of exported pages and puts it into src/export/page/, or compares it with what
# lies there.
#
#   tests/tools/page_runtime.sh            compares; leaves with status 3 where that cannot be done
#   tests/tools/page_runtime.sh --write    writes runtime.bin and runtime.json
#
# With the compiler that runtime.json names the modules must be the same byte for byte; with another
# one only that they can be built is tested, and the committed modules are those that tests use.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=wasm32-unknown-unknown
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ] \
  && ! timeout 300 rustup target add "$target" >/dev/null 2>&1; then
  echo "page_runtime.sh: left out: this Rust has no standard library for $target" >&2
  exit 3
fi
# No path of this machine is in a module.
registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
maps=
for folder in "$registry"/*/; do
  maps+=" --remap-path-prefix=${folder%/}=registry"
done
maps+=" --remap-path-prefix=$PWD=."
build() {
  RUSTFLAGS="$maps $2" cargo build --quiet --profile page --target $target \
    --target-dir "target/page-$1" --package bnn-cpu-page
  cp "target/page-$1/$target/page/bnn_cpu_page.wasm" "target/page-$1.wasm"
}
build plain ""
build simd "-Ctarget-feature=+simd128"
python3 tests/tools/page_runtime.py "${1:---check}" target/page-plain.wasm target/page-simd.wasm
