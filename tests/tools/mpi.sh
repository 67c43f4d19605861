#!/usr/bin/env bash
# The same bits on 1, 2, 3, 4 and 8 processes of MPI, and a run that goes on with another number
# of them. Exits with 3 where MPI cannot be installed.
# Usage: mpi.sh [PROGRAM]   (a program with the feature mpi; one is built without it)
# MPIRUN names another mpirun and its flags.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v mpirun >/dev/null || ! command -v mpicc >/dev/null || ! ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1; then
  (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    libopenmpi-dev openmpi-bin libclang-dev) >/dev/null 2>&1 || true
fi
if ! command -v mpirun >/dev/null || ! command -v mpicc >/dev/null; then
  echo "left out: Open MPI cannot be installed here (libopenmpi-dev, openmpi-bin, libclang-dev)"
  exit 3
fi
# As root in a container, and with more processes than cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun=${MPIRUN:-mpirun --oversubscribe --bind-to none}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program=${1:-}
if [ -z "$program" ]; then
  built=${CARGO_TARGET_DIR:-target}/debug/bnn-cpu
  [ ! -f "$built" ] || cp "$built" "$work/before"
  cargo build --quiet --no-default-features --features cli,mpi
  cp "$built" "$work/bnn-cpu"
  # Steps after this one use the program without MPI.
  [ ! -f "$work/before" ] || cp "$work/before" "$built"
  program=$work/bnn-cpu
fi
program=$(realpath "$program")
tools=$PWD/tests/tools
cd "$work"

# Trains on that many processes, without ending this script where the training ends early.
on() {
  local ranks=$1
  shift
  timeout 600 $mpirun -n "$ranks" "$program" train --quiet --distributed mpi --patience 60 "$@" </dev/null >/dev/null 2>"$work/said"
}
bits() { python3 "$tools/run_bits.py" "$1" | cut -d' ' -f1; }
same() {
  if [ "$(bits "$2")" != "$(bits "$3")" ]; then
    echo "error: $1: $2 and $3 differ" >&2
    exit 1
  fi
}

# 360 images to train on: what is compared are bits, not what is learned.
PYTHONPATH=$tools python3 -c '
import pathlib, random, mpi_kill
pathlib.Path("data").mkdir()
mpi_kill.write_data(pathlib.Path("data"), random.Random(1))'
common="--dataset idx --data data"
short="$common --epochs 2 --batch 48"
number=0
while read -r name flags; do
  number=$((number + 1))
  timeout 600 "$program" train --quiet --threads 1 $short $flags --out "alone-$number" >/dev/null 2>&1
  for ranks in 1 2 3 4 8; do
    # Two networks on 8 processes are enough.
    [ $ranks != 8 ] || [ $number -le 2 ] || continue
    on $ranks --threads $((ranks % 2 + 1)) $short $flags --out "of-$number-$ranks" || { cat said >&2; exit 1; }
    same "$name" "alone-$number" "of-$number-$ranks"
  done
  echo "$name: the same bits on 1, 2, 3, 4$([ $number -le 2 ] && echo ' and 8') processes"
done <<'NETS'
straight-through --model mlp --mode stoch
seed-net --mode stoch
batch-norm-and-augmentation --model xnor-net --augment affine
control-variates --model mlp --mode stoch --estimator disarm --protocol reference
batch-baselines --model mlp --mode stoch --estimator reinforce --protocol reference
NETS

# Begun on 4 processes, continued on 1 and then on 3.
long="$common --model mlp --mode stoch --epochs 150"
timeout 600 "$program" train --quiet $long --out whole >/dev/null
timeout --signal=USR1 4 $mpirun -n 4 "$program" train --quiet --threads 1 --distributed mpi $long --out parts >/dev/null 2>&1 || true
for ranks in 1 3; do
  timeout --signal=USR1 4 $mpirun -n $ranks "$program" train --quiet --threads 1 --distributed mpi --resume --out parts >/dev/null 2>&1 || true
done
on 2 --resume --out parts || { cat said >&2; exit 1; }
same "a run on 4, 1, 3 and 2 processes" whole parts
echo "a run that was begun on 4 processes and continued on 1, 3 and 2: the same bits"

# Processes that are not alike.
cat >unlike.sh <<'E2'
#!/bin/sh
# Rank 1 has another instruction set.
rank=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}
exec "$1" train --quiet --dataset idx --data data --epochs 1 --model mlp --distributed mpi --isa "$([ "$rank" = 1 ] && echo "$2" || echo scalar)" --out unlike
E2
chmod +x unlike.sh
if "$program" --isa avx2 inspect seed-net >/dev/null 2>&1; then
  if timeout 300 $mpirun -n 2 ./unlike.sh "$program" avx2 >said 2>&1; then
    echo "error: processes with other instruction sets were accepted" >&2
    exit 1
  fi
  grep -q 'rank 1 has the kernels avx2, and rank 0 has scalar' said || { cat said >&2; exit 1; }
  echo "processes of other instruction sets are refused: $(grep -h 'rank 1 has' said | head -1)"
fi
