#!/bin/bash
# One training over MPI as a job of SLURM, which continues itself after its time limit.
#
#   sbatch --ntasks=8 examples/cluster/slurm-train.sh runs/omniglot --task few-shot --data omniglot
#
# The first argument is the folder of the run, the others are flags of `bnn-cpu train`; the program
# was built with `--features mpi`. Two minutes before the limit this script gets SIGUSR1 and hands
# it to mpirun, which hands it to the processes: they save, end with code 130, and the job is put
# into the queue again. The number of processes may be another one then.
#SBATCH --job-name=bnn-cpu-train
#SBATCH --ntasks=4
#SBATCH --cpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
out=$1
shift
if [ -e "$out/config.json" ]; then
  set -- --resume --out "$out"
else
  set -- "$@" --out "$out"
fi
mpirun ${MPIRUN_FLAGS:-} -n "$SLURM_NTASKS" "${BNN_CPU:-bnn-cpu}" train --quiet --distributed mpi \
  --threads "${SLURM_CPUS_PER_TASK:-1}" "$@" &
job=$!
trap 'kill -USR1 "$job"' USR1
# The first wait ends with the signal, the second with the job.
wait "$job"
code=$?
while kill -0 "$job" 2>/dev/null; do
  wait "$job"
  code=$?
done
if [ "$code" -eq 130 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
