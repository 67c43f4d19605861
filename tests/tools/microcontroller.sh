#!/usr/bin/env bash
# The committed xnor-net as C on emulated microcontrollers: a Cortex-M0, a Cortex-M4 and a 32-bit
# RISC-V in QEMU's system mode answer with the bits of the same code on this machine, in both
# flavours, and the network keeps within 10 KB of flash and 4 KB of RAM on the Cortex-M4.
#
#   tests/tools/microcontroller.sh PROGRAM        PROGRAM is a built bnn-cpu
#
# Prints a table of sizes and of instructions a picture, which results/export.md holds. The pictures
# are those of examples/microcontroller and, where BNN_CPU_DATA names MNIST, its first 100 test
# pictures (COUNT says another number). Installs the compilers and QEMU where they are missing and
# this is root on a Debian; leaves with status 3 where they are not to be had.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
here=$PWD
example=$here/examples/microcontroller

packages="make gcc gcc-arm-none-eabi gcc-riscv64-unknown-elf qemu-system-arm qemu-system-misc"
missing=""
for package in $packages; do
  state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$state" = "install ok installed" ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086 # a list of packages
  if [ "$(id -u)" != 0 ] || ! apt-get update -qq \
    || ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
    echo "microcontroller.sh: left out: missing$missing" >&2
    exit 3
  fi
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "microcontroller.sh: $*" >&2; exit 1; }

# Folders with a digits.h each.
pictures="$example/digits"
if [ -n "${BNN_CPU_DATA:-}" ]; then
  mkdir "$work/mnist"
  images=$(find -L "$BNN_CPU_DATA" -name 't10k-images*' | head -1)
  labels=$(find -L "$BNN_CPU_DATA" -name 't10k-labels*' | head -1)
  python3 "$example/digits.py" "$images" "$labels" "${COUNT:-100}" >"$work/mnist/digits.h"
  pictures="$work/mnist $pictures"
else
  echo "microcontroller.sh: left out: pictures of MNIST (set BNN_CPU_DATA)" >&2
fi

# build FLAVOUR OPTIMISE PICTURES TARGET...: what make says, on its output
build() {
  make -s -C "$example" NETWORK="$work/$1" OPTIMISE="$2" DIGITS="$3" \
    BUILD="$work/$1$2-$(basename "$3")" "${@:4}"
}

echo "| flavour | processor | flash, bytes | scratch, bytes | stack, bytes at most | instructions a picture |"
echo "|---|---|---|---|---|---|"
for setting in "small -Os" "fast -O3"; do
  read -r flavour optimise <<<"$setting"
  "$program" --quiet export results/networks/xnor-net --to c99 --flavour "$flavour" --out "$work/$flavour" >/dev/null
  for folder in $pictures; do
    built=$work/$flavour$optimise-$(basename "$folder")
    mkdir -p "$built"
    build "$flavour" "$optimise" "$folder" run-host >"$built/host.txt"
    for board in m0 m4 riscv32; do
      timeout 300 make -s -C "$example" NETWORK="$work/$flavour" OPTIMISE="$optimise" DIGITS="$folder" \
        BUILD="$built" "run-$board" >"$built/$board.txt"
      # Every class and every bit of every logit.
      cmp <(grep '^picture\|^right' "$built/host.txt") <(grep '^picture\|^right' "$built/$board.txt") \
        || fail "$flavour on $board answers otherwise than on this machine"
      grep -q '^picture 0 ' "$built/$board.txt" || fail "$flavour on $board answers nothing"
    done
  done
  # The figures of the first folder: MNIST's where it is there.
  folder=${pictures%% *}
  built=$work/$flavour$optimise-$(basename "$folder")
  build "$flavour" "$optimise" "$folder" size >"$built/sizes"
  for row in "m0 Cortex-M0" "m4 Cortex-M4" "riscv32 RV32IMAC"; do
    read -r board name <<<"$row"
    read -r flash _ bss _ < <(grep "size-$board.elf" "$built/sizes")
    instructions=$(sed -n 's/^instructions \([0-9]*\) .*/\1/p' "$built/$board.txt")
    # All functions' frames together: no chain of calls needs more.
    stack=$(build "$flavour" "$optimise" "$folder" "stack-$board")
    echo "| $flavour ($optimise) | $name | $flash | $bss | $stack | $instructions |"
    if [ "$board" = m4 ]; then
      [ "$flash" -le 10240 ] || fail "$flavour takes $flash bytes of flash on a Cortex-M4"
      [ $((bss + stack)) -le 4096 ] || fail "$flavour takes $((bss + stack)) bytes of RAM on a Cortex-M4"
    fi
  done
  echo "$flavour: $(grep -h '^right' "$built/host.txt"), the same on all processors; without a floating-point unit a Cortex-M4 needs $(awk '/size-m4-soft/ { print $1 }' "$built/sizes") bytes of flash" >>"$work/notes"
done
cat "$work/notes"

# The sketch, as far as a compiler of C++ can tell without Arduino's own.
cat >"$work/small/Arduino.h" <<'STUB'
#include <stdint.h>
struct { void begin(long); int readBytes(char *, int); void print(const char *); void print(int);
         void print(unsigned long); void println(unsigned long); } Serial;
unsigned long micros();
STUB
g++ -x c++ -std=c++11 -Wall -Wextra -Werror -fsyntax-only -include "$work/small/Arduino.h" -I"$work/small" \
  "$example/arduino/xnor_net_digits/xnor_net_digits.ino"
echo "the sketch compiles beside xnor_net.h"
