#!/usr/bin/env bash
# tools/dist_test.sh CONFIG CHECKPOINT RANKS [arguments of test.py]
# Several nodes: NNODES, NODE_RANK, MASTER_ADDR and PORT in the environment.
set -eu

tools="$(dirname "$0")"
. "$tools/start_ranks.sh"

[ "$#" -ge 3 ] || usage "$(sed -n '2,3s/^# //p' "$0")"

start_with_torchrun "$3" "$tools/test.py" "$1" "$2" "${@:4}"
