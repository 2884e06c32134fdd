# Sourced by dist_*.sh and slurm_*.sh: how they start ranks.

# usage LINE...: shows how to call the script, and ends it.
usage() {
    printf '%s\n' "$@" >&2
    exit 2
}

# start_with_torchrun RANKS SCRIPT [ARGUMENT]...
# A single node meets on a free port, unless PORT names one.
start_with_torchrun() {
    local ranks="$1" nodes="${NNODES:-1}" restarts="${MAX_RESTARTS:-0}"
    local address="${MASTER_ADDR:-127.0.0.1}" port="${PORT:-29500}"
    local rendezvous=(--standalone)
    shift
    if [ "$restarts" != 0 ]; then
        # In a store that the attempts share, a rank may find the address
        # that another had before the restart.
        export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
    fi
    if [ "$nodes" != 1 ] || [ -n "${PORT:-}" ]; then
        rendezvous=(--nnodes="$nodes")
        if [ "$restarts" = 0 ]; then
            rendezvous+=(--node_rank="${NODE_RANK:-0}")
            rendezvous+=(--master_addr="$address" --master_port="$port")
        else
            rendezvous+=(--rdzv_backend=c10d --rdzv_endpoint="$address:$port")
            rendezvous+=(--rdzv_conf="is_host=$((${NODE_RANK:-0} == 0))")
        fi
    fi
    "${PYTHON:-python}" -m torch.distributed.run \
        "${rendezvous[@]}" \
        --nproc_per_node="$ranks" \
        --max_restarts="$restarts" \
        "$@" --launcher pytorch
}

# start_with_srun PARTITION JOB_NAME SCRIPT [ARGUMENT]...
# In a job of sbatch or salloc the job's tasks, CPUs and GPUs are the default.
# Without GPUs per node, Slurm spreads the tasks unless it is told how.
start_with_srun() {
    local tasks="${NTASKS:-${GPUS:-8}}" cpus="${CPUS_PER_TASK:-5}"
    local gpus_per_node="${GPUS_PER_NODE:-8}"
    if [ -n "${SLURM_JOB_ID:-}" ]; then
        tasks="${NTASKS:-${GPUS:-${SLURM_NTASKS:-}}}"
        # More than the job has would be refused, and srun does not inherit it.
        cpus="${CPUS_PER_TASK:-${SLURM_CPUS_PER_TASK:-1}}"
        gpus_per_node="${GPUS_PER_NODE:-0}"
    fi
    local options=(
        --partition="$1"
        --job-name="$2"
        --cpus-per-task="$cpus"
        --kill-on-bad-exit=1
    )
    shift 2
    if [ -n "$tasks" ]; then
        options+=(--ntasks="$tasks")
    fi
    if [ "$gpus_per_node" -gt 0 ]; then
        options+=(--gres="gpu:$gpus_per_node")
        options+=(--ntasks-per-node="${NTASKS_PER_NODE:-$gpus_per_node}")
    elif [ -n "${NTASKS_PER_NODE:-}" ]; then
        options+=(--ntasks-per-node="$NTASKS_PER_NODE")
    fi
    # SRUN_ARGS holds several words.
    # shellcheck disable=SC2086
    srun "${options[@]}" ${SRUN_ARGS:-} \
        "${PYTHON:-python}" -u "$@" --launcher slurm
}
