#!/usr/bin/env bash
# Packed inference without the standard library: the crate without features is built for processors
# without an operating system, and classifies in WebAssembly.
#
#   tests/tools/no_std.sh PROGRAM [TARGETS...]    PROGRAM is a built bnn-cpu
#
# Without TARGETS a Cortex-M4 (thumbv7em-none-eabi); one is left out where its `core` is not to be had.
# With Node.js a module that stands on `core` and `alloc` alone (an allocator that never frees, a panic
# that traps) answers 100 images by the committed network, and its classes must be those of
# `infer --packed`.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
root=$PWD
shift
[ $# -gt 0 ] || set -- thumbv7em-none-eabi
sysroot=$(rustc --print sysroot)/lib/rustlib
built=0
for target in "$@"; do
  if [ ! -d "$sysroot/$target" ] && ! timeout 300 rustup target add "$target" >/dev/null 2>&1; then
    echo "no_std.sh: left out: this Rust has no core for $target" >&2
    continue
  fi
  RUSTFLAGS="-D warnings" cargo check --quiet --lib --no-default-features --target "$target" --target-dir target/no-std
  echo "$target: packed inference is built without the standard library"
  built=1
done
target=wasm32-unknown-unknown
if [ ! -d "$sysroot/$target" ] || ! command -v node >/dev/null; then
  echo "no_std.sh: left out: the module in WebAssembly (its core, or Node.js, is not there)" >&2
  [ $built = 1 ] || exit 3
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
cp Cargo.lock "$work/Cargo.lock"
cat >"$work/Cargo.toml" <<MANIFEST
[package]
name = "bnn-cpu-no-std"
version = "0.0.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
bnn-cpu = { path = "$root", default-features = false }

[profile.dev]
opt-level = 1
panic = "abort"

[workspace]
MANIFEST
cat >"$work/src/lib.rs" <<'SOURCE'
#![no_std]
extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

use bnn_cpu::kernels::select;
use bnn_cpu::packed::PackedNet;

/// Memory that is given once and never freed.
struct Bump(UnsafeCell<usize>);
// SAFETY: the module has one thread.
unsafe impl Sync for Bump {}
// SAFETY: every piece lies behind the one before it, and the memory is made larger first.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let end = unsafe { &mut *self.0.get() };
        if *end == 0 {
            *end = core::arch::wasm32::memory_size(0) << 16;
        }
        let start = end.next_multiple_of(layout.align());
        *end = start + layout.size();
        let pages = end.div_ceil(1 << 16);
        let there = core::arch::wasm32::memory_size(0);
        if pages > there && core::arch::wasm32::memory_grow(0, pages - there) == usize::MAX {
            return core::ptr::null_mut();
        }
        start as *mut u8
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
#[global_allocator]
static HEAP: Bump = Bump(UnsafeCell::new(0));

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// The classes of so many images, a byte each.
#[unsafe(no_mangle)]
pub extern "C" fn classes(images: usize) -> *const u8 {
    let net = PackedNet::from_bytes(include_bytes!("net.packed")).unwrap();
    let mut runner = net.runner(select(None).unwrap());
    let all = include_bytes!("images");
    let rows = all.chunks_exact(runner.pixels()).take(images);
    let found: alloc::vec::Vec<u8> = rows.map(|image| runner.classify(image).unwrap() as u8).collect();
    found.leak().as_ptr()
}
SOURCE
cp results/networks/xnor-net/best.packed "$work/src/net.packed"
# Blots of all sizes, as the module holds them and as an IDX file.
python3 - "$work" <<'PYTHON'
import pathlib, random, sys
work, draw, images = pathlib.Path(sys.argv[1]), random.Random(5), bytearray()
for _ in range(100):
    blots = [[draw.uniform(0, 28), draw.uniform(0, 28), draw.uniform(1, 40)] for _ in range(draw.randint(1, 6))]
    for y in range(28):
        for x in range(28):
            near = min(((x - a) ** 2 + (y - b) ** 2) / size for a, b, size in blots)
            images.append(max(0, min(255, round(255 * (1.2 - near)))))
(work / "src/images").write_bytes(images)
(work / "images.idx").write_bytes(b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in [100, 28, 28]) + images)
PYTHON
"$program" --quiet infer --packed --csv --model results/networks/xnor-net "$work/images.idx" >"$work/answers.csv"
cargo build --quiet --manifest-path "$work/Cargo.toml" --target "$target" --target-dir target/no-std
node - "$work" <<'SCRIPT'
const fs = require("fs"), work = process.argv[2];
const module_ = new WebAssembly.Module(fs.readFileSync("target/no-std/wasm32-unknown-unknown/debug/bnn_cpu_no_std.wasm"));
const { exports: x } = new WebAssembly.Instance(module_, {});
const wanted = fs.readFileSync(`${work}/answers.csv`, "utf8").trim().split("\n").slice(1).map(row => Number(row.split(",")[1]));
// The memory grows while it is asked, and then its old buffer is gone.
const at = x.classes(wanted.length);
const found = [...new Uint8Array(x.memory.buffer, at, wanted.length)];
const wrong = found.filter((c, i) => c !== wanted[i]).length;
if (wanted.length !== 100 || wrong) { console.error(`no_std.sh: ${wrong} of ${wanted.length} classes differ`); process.exit(1); }
console.log(`wasm32 without the standard library: ${found.length} images, every class as the program's`);
SCRIPT
