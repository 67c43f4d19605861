#!/bin/sh
# Draws the pictures and reports of results/ again.
#
#   tests/tools/pictures.sh [RUNS [OUT]]     by default runs/pictures and results/
#   tests/tools/pictures.sh inside PLAIN BINARY MIXED [OUT]
#
# The second form looks inside three finished runs, whose folders it is given: of a plain network,
# of one with binary units and of a mixed one. It trains nothing, and writes what `plot` draws of
# them side by side into OUT/pictures/inside.
#
# RUNS holds a run of each kind of unit by the reference protocol, seed 1: none, det and
# stoch. What is missing is trained first, a minute each; MNIST is looked for where
# `bnn-cpu train` looks. The tables' own runs are not needed: their cells have the curves.
# $BNN_CPU names the program; without it, it is built.
set -eu
cd "$(dirname "$0")/../.."

if [ -z "${BNN_CPU:-}" ]; then
    cargo build --release --quiet
    BNN_CPU=${CARGO_TARGET_DIR:-target}/release/bnn-cpu
fi

# Regions of five channels, which every layer of the mixed network has.
inside() {
    out=${4:-results}/pictures/inside
    for what in "heatmap --overlay" maximise "regions --channels 0-4" histogram neighbours; do
        # shellcheck disable=SC2086 # a kind and its flags
        "$BNN_CPU" plot $what --compare "$1" "$2" "$3" -o "$out"
    done
}
if [ "${1:-}" = inside ]; then
    if [ $# -lt 4 ]; then
        echo "pictures.sh: inside needs three runs: a plain, a binary and a mixed one" >&2
        exit 2
    fi
    shift
    inside "$@"
    exit
fi
runs=${1:-runs/pictures}
out=${2:-results}

train() {
    run=$runs/$1
    shift
    if [ -e "$run/test.json" ]; then
        return
    elif [ -e "$run/config.json" ]; then
        "$BNN_CPU" train --resume --out "$run"
    else
        "$BNN_CPU" train --dataset mnist --out "$run" "$@"
    fi
}
train none --binary none
train det
train stoch --mode stoch

"$BNN_CPU" heatmap --compare "$runs/none" "$runs/det" "$runs/stoch" -o "$out/pictures"
"$BNN_CPU" heatmap --compare "$runs/none" "$runs/det" "$runs/stoch" -o "$out/pictures/dark" --dark
"$BNN_CPU" curves "$runs/none" "$runs/det" "$runs/stoch" -o "$out/pictures"
for what in "heatmap --channels" filters confusion mistakes; do
    # shellcheck disable=SC2086 # a subcommand and its flag
    "$BNN_CPU" $what "$runs/stoch" -o "$out/pictures/stoch"
done
for table in reference tuned; do
    if [ -e "results/$table-mnist.json" ]; then
        "$BNN_CPU" report "$table-mnist" "$runs/none" "$runs/det" "$runs/stoch" --speed \
            -o "$out/$table-mnist.html"
    fi
done
