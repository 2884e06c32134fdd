#!/usr/bin/env bash
# tools/dist_train.sh CONFIG RANKS [arguments of train.py]
# Several nodes: NNODES, NODE_RANK, MASTER_ADDR and PORT in the environment.
# MAX_RESTARTS=3 and --resume: starts all ranks again when one dies.
set -eu

tools="$(dirname "$0")"
. "$tools/start_ranks.sh"

[ "$#" -ge 2 ] || usage "$(sed -n '2,4s/^# //p' "$0")"

start_with_torchrun "$2" "$tools/train.py" "$1" "${@:3}"
