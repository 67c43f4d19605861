#!/bin/sh
# Makes a release archive: the program, its manual pages, completions, licences and README.
#
#     sh tests/tools/dist.sh [TARGET]      (a target of rustc; that of this machine by default)
#
# Writes target/dist/bnn-cpu-VERSION-TARGET.tar.gz, what it is made of (.cdx.json, CycloneDX, by
# tests/tools/sbom.py; also within the archive) and the SHA-256 of both beside them. Man pages and
# completions stay in target/dist for packagers (`cargo deb --no-build`). With PROGRAM naming a program
# of this machine that is built already, nothing is built: that tests the script. The same program gives
# the same archive.
set -eu
cd "$(dirname "$0")/../.."
# Lines of the source are of use to those who have it: they are most of the file.
export CARGO_PROFILE_RELEASE_STRIP=debuginfo
here=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$here}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
build=${CARGO_TARGET_DIR:-target}
if [ -n "${PROGRAM:-}" ]; then
  program=$PROGRAM
  own=$PROGRAM
elif [ "$target" = "$here" ]; then
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
cp "$program" "$dist/$name/bnn-cpu"
python3 tests/tools/sbom.py "$target" "$dist/$name.cdx.json"
cp "$dist/$name.cdx.json" README.md CITATION.cff CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$dist/$name/"
# The font within the program has its own.
cp src/draw/letters/OFL.txt "$dist/$name/LICENSE-OFL"
cp -r "$dist/man" "$dist/completions" "$dist/$name/"
# Neither times nor owners nor the order of a folder are in it.
tar -C "$dist" --sort=name --mtime='2026-01-01 00:00:00Z' --owner=0 --group=0 --numeric-owner -cf - "$name" |
  gzip -9n >"$dist/$name.tar.gz"
(cd "$dist" && for file in "$name.tar.gz" "$name.cdx.json"; do sha256sum "$file" | tee "$file.sha256"; done)
rm -rf "${dist:?}/$name"
