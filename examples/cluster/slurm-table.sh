#!/bin/bash
# A table, a sweep or a lab as an array job of SLURM: each task trains its part of the cells, or
# measures its part of the contenders.
#
#   sbatch examples/cluster/slurm-table.sh table --suite tuned --seeds 5
#   sbatch --array=1-20 --cpus-per-task=8 examples/cluster/slurm-table.sh sweep grid.json --seeds 3
#   sbatch --array=1-3 examples/cluster/slurm-table.sh lab --binary both --epochs 10 --at 0,10 --out both
#
# Two minutes before the time limit the tasks get SIGUSR1: they save, end with code 130, and are
# put into the queue again. The folder in which the job was submitted must be one that all nodes
# share; where they share none, give each task a --results of its own, and bring the records
# together with `bnn-cpu table --merge`. A lab saves nothing on the way, and its tasks begin anew: give
# them the time that they need.
#SBATCH --job-name=bnn-cpu-table
#SBATCH --array=1-8
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
part="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_MAX"
srun "${BNN_CPU:-bnn-cpu}" "$@" --quiet --shard "$part" --threads "$SLURM_CPUS_PER_TASK"
code=$?
if [ "$code" -eq 130 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
