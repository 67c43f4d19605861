#!/bin/sh
# Builds the library without features for wasm32-unknown-unknown, and three examples that
# are then run in Node.js: WebAssembly without a system, with the scalar kernels, one thread
# and no clock. Leaves with status 3 where the target's standard library is not to be had.
#
#   tests/tools/wasm.sh
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
target=wasm32-unknown-unknown

if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ] \
    && ! timeout 300 rustup target add "$target" >/dev/null 2>&1; then
    echo "wasm.sh: this Rust has no standard library for $target, and none can be added" >&2
    exit 3
fi

# A crate of its own: the tests' dependencies, which an example would bring, want a system.
crate=$root/target/wasm/crate
mkdir -p "$crate/src/bin"
cp Cargo.lock "$crate/Cargo.lock"
cat >"$crate/Cargo.toml" <<MANIFEST
[package]
name = "bnn-cpu-wasm"
version = "0.0.0"
edition = "2024"

[dependencies]
bnn-cpu = { path = "$root", default-features = false, features = ["std"] }

[profile.release]
debug = false
# What is tested is that it runs.
opt-level = 1

[workspace]
MANIFEST
examples="own_data train_in_memory packed_inference"
for name in $examples; do
    cp "examples/$name.rs" "$crate/src/bin/$name.rs"
done
RUSTFLAGS="-D warnings" cargo build --release --target "$target" \
    --manifest-path "$crate/Cargo.toml" --target-dir target/wasm

if ! command -v node >/dev/null; then
    echo "wasm.sh: left out: there is no Node.js to run the examples in" >&2
    exit 0
fi
for name in $examples; do
    # What the example prints goes nowhere, but its assertions and its error end it.
    node -e '
        const bytes = require("fs").readFileSync(process.argv[1]);
        WebAssembly.instantiate(bytes, {}).then(({ instance }) => {
            process.exitCode = instance.exports.main(0, 0);
        });
    ' "target/wasm/$target/release/$name.wasm"
    echo "$name ran"
done
