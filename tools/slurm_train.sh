#!/usr/bin/env bash
# tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]
# GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS in the environment.
# Without GPUs: GPUS_PER_NODE=0 and NTASKS, NTASKS_PER_NODE on demand.
set -eu

tools="$(dirname "$0")"
. "$tools/start_ranks.sh"

[ "$#" -ge 4 ] || usage "$(sed -n '2,4s/^# //p' "$0")"

start_with_srun "$1" "$2" "$tools/train.py" "$3" --work-dir="$4" "${@:5}"
