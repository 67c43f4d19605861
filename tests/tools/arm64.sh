#!/bin/sh
# Runs the kernel, layer and network tests on an emulated arm64 (NEON) machine, from a Debian x86-64.
# It shows that the path is right, not how fast it is.
#
#   tests/tools/arm64.sh            kernels, layers, a training step
#   tests/tools/arm64.sh ARGS...    `cargo test` with these arguments instead
#
# Installs, where they are missing: QEMU's user mode, a cross linker, and
# Debian's Rust compiler with its arm64 standard library (needs root for that).
set -eu
cd "$(dirname "$0")/../.."

packages="qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross rustc-web libstd-rust-web-dev libstd-rust-web-dev:arm64"
missing=""
for package in $packages; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "arm64.sh: missing$missing; run it once as root to install them" >&2
        exit 1
    fi
    dpkg --add-architecture arm64
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi

export RUSTC=/usr/bin/rustc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64
# Static: a dynamically linked program hangs under QEMU 7.2 at its second thread.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"

run() {
    cargo test --no-default-features --features std --target aarch64-unknown-linux-gnu \
        --target-dir target/arm64 "$@"
}

if [ $# -gt 0 ]; then
    run "$@"
else
    # Everything is built at once, on all cores.
    run --no-run --lib --test kernels --test parity --test packed
    run --lib -- kernels ops estimators
    run --test kernels
    run --test parity -- ops:: layers:: seednet::
    # Emulated, two thousand random nets would take the better part of an hour.
    BNN_CPU_PACKED_NETS=${BNN_CPU_PACKED_NETS:-60} run --test packed -- nets:: files::
fi
