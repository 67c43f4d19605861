#!/usr/bin/env bash
# Memory errors and undefined behaviour in the unsafe code, looked for by three tools.
#
#   tests/tools/sanitise.sh asan        AddressSanitizer (a nightly toolchain) over
#       the kernel tests, the layers against double precision and packed networks:
#       scalar and every SIMD set of this machine, AVX-512 among them. Every slice
#       there is its own allocation, so a read past one by a byte is seen.
#   tests/tools/sanitise.sh valgrind    memcheck over the same kernels, which also
#       sees numbers that were never written. It shows the program no AVX-512, so
#       this is scalar and AVX2; and it is some 50 times slower, so the sweeps that
#       would take minutes are left out by name below.
#
#   tests/tools/sanitise.sh miri        Miri (a component of the nightly toolchain)
#       over the same kernels, scalar and AVX2: it lacks some of AVX-512's intrinsics.
#       It interprets, so it is shown every thirteenth size, and no test of millions of
#       products; it also sees what a pointer may not do, and what was never written.
#
# Exit 3: a tool is missing. None is part of .ci/run: they build everything anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
kernels=(--test kernels)

asan() {
  if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "left out: AddressSanitizer needs a nightly toolchain"
    exit 3
  fi
  # A target of its own: only with --target are build scripts left uninstrumented.
  local target=target/sanitise
  export RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=$target CARGO_PROFILE_DEV_DEBUG=1
  export BNN_CPU_PACKED_NETS=${BNN_CPU_PACKED_NETS:-150} PROPTEST_CASES=${PROPTEST_CASES:-24}
  cargo +nightly test --no-default-features --features std --target "$(rustc -vV | sed -n 's/^host: //p')" \
    "${kernels[@]}" --test parity --test packed
  [ -n "${KEEP:-}" ] || rm -rf "$target"
}

valgrind_() {
  if ! command -v valgrind >/dev/null; then
    echo "left out: valgrind is not installed"
    exit 3
  fi
  # Debug information as dwarf 4, which older valgrinds read.
  cargo test --no-run --message-format=json "${kernels[@]}" --test packed 2>/dev/null |
    sed -n 's|.*"executable":"\([^"]*/deps/[^"]*\)".*|\1|p' > target/sanitise.list
  local quick=(
    every_channel_count max_pool_by_its_definition sigmoid_at_the_ends
    nothing_to_multiply packing_and_back_in_both_orders every_patch_count_and_column_count
    sums_and_cuts sums_cut_at_once sums_over_rows rows_in_another_order unpacked_bits_and_planes
    signed_sums_of_neighbours pooled_rows differing_bits_and_dot_products look_ups_and_real_cuts
    a_layer_over_bits_is_the_layer_over_numbers shapes_that_are_not_served_are_declined
    binary_nets_have_the_logits real_weights_agree batches_threads_and_single_images_agree
  )
  while read -r binary; do
    echo "== $binary"
    BNN_CPU_PACKED_NETS=${BNN_CPU_PACKED_NETS:-12} valgrind --quiet --error-exitcode=9 \
      --fair-sched=yes "$binary" --test-threads 1 "${quick[@]}"
  done < target/sanitise.list
  rm target/sanitise.list
}

miri() {
  if ! cargo +nightly miri --version >/dev/null 2>&1; then
    echo "left out: Miri is not installed (rustup +nightly component add miri rust-src)"
    exit 3
  fi
  # What the machine has is what the compiler is told; files are left to the tests.
  local features=${FEATURES:-+avx2,+fma,+f16c,+bmi1,+bmi2,+popcnt,+lzcnt}
  RUSTFLAGS="-Ctarget-feature=$features" MIRIFLAGS="-Zmiri-disable-isolation" \
    cargo +nightly miri test --no-default-features --features std --target-dir target/miri "${kernels[@]}"
}

case ${1:-all} in
  asan) asan ;;
  valgrind) valgrind_ ;;
  miri) miri ;;
  all) asan; valgrind_; miri ;;
  *) echo "usage: $0 [asan|valgrind|miri]" >&2; exit 2 ;;
esac
