#!/bin/sh
# A table, a sweep or a lab over several machines by GNU parallel, or over the cores of one.
#
#   examples/cluster/parallel-table.sh 8 table --suite tuned --seeds 5
#   PARALLEL_FLAGS='--sshlogin node1,node2 --workdir .' examples/cluster/parallel-table.sh 8 table ...
#   examples/cluster/parallel-table.sh 3 lab --binary both --out both
#
# The first argument is the number of parts. A part that was interrupted (code 130) or whose machine
# went away is begun again, and goes on where it was (a lab's anew); the folder is one that all machines share.
parts=$1
shift
# shellcheck disable=SC2086
seq "$parts" | parallel --halt soon,fail=1 --retries 3 ${PARALLEL_FLAGS:-} \
  "${BNN_CPU:-bnn-cpu}" "$@" --quiet --threads "${THREADS:-1}" --shard "{}/$parts"
