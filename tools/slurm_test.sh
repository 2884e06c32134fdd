#!/usr/bin/env bash
# tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]
# GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS in the environment.
# Without GPUs: GPUS_PER_NODE=0 and NTASKS, NTASKS_PER_NODE on demand.
set -eu

tools="$(dirname "$0")"
. "$tools/start_ranks.sh"

[ "$#" -ge 4 ] || usage "$(sed -n '2,4s/^# //p' "$0")"

start_with_srun "$1" "$2" "$tools/test.py" "$3" "$4" "${@:5}"
