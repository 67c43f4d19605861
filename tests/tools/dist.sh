#!/bin/sh
# Makes a release archive: the program, its manual pages, completions, licences and README.
#
#     sh tests/tools/dist.sh [TARGET]      (a target of rustc; that of this machine by default)
#
# Writes target/dist/bnn-cpu-VERSION-TARGET.tar.gz and its SHA-256 beside it. Man pages and
# completions stay in target/dist for packagers (`cargo deb --no-build`).
set -eu
cd "$(dirname "$0")/../.."
# Lines of the source are of use to those who have it: they are most of the file.
export CARGO_PROFILE_RELEASE_STRIP=debuginfo
here=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$here}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
build=${CARGO_TARGET_DIR:-target}
if [ "$target" = "$here" ]; then
  cargo build --release --locked
  program=$build/release/bnn-cpu
  own=$program
else
  cargo build --release --locked --target "$target"
  program=$build/$target/release/bnn-cpu
  # Pages and completions are text, the same for every target: a program that runs here writes them.
  cargo build --release --locked
  own=$build/release/bnn-cpu
fi
dist=target/dist
rm -rf "$dist/man" "$dist/completions"
mkdir -p "$dist/completions"
"$own" man --quiet --out "$dist/man" >/dev/null
"$own" completions bash >"$dist/completions/bnn-cpu"
"$own" completions zsh >"$dist/completions/_bnn-cpu"
"$own" completions fish >"$dist/completions/bnn-cpu.fish"
name=bnn-cpu-$version-$target
rm -rf "${dist:?}/$name"
mkdir "$dist/$name"
cp "$program" README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$dist/$name/"
# The font within the program has its own.
cp src/draw/letters/OFL.txt "$dist/$name/LICENSE-OFL"
cp -r "$dist/man" "$dist/completions" "$dist/$name/"
tar -C "$dist" -czf "$dist/$name.tar.gz" "$name"
(cd "$dist" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256" && cat "$name.tar.gz.sha256")
rm -rf "${dist:?}/$name"
