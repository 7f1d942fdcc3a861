#!/usr/bin/env bash
# Trains on GPUs under Slurm, one process per GPU, or one per node with --ntasks-per-node=1.
# Arguments are those of jaxtalk.train:
#
#   sbatch launch/slurm_gpu.sh --config configs/styletalker.py:paper --workdir runs/paper
#
# Submit from the repository, where launch/venv.sh has made .venv (launch/README.md).
# Before the time limit the run is told to save, and the job is queued again; a preempted job is
# queued again by Slurm itself. Either way it goes on from its last checkpoint.
# bash launch/slurm_gpu.sh --dry_run ...  prints the commands.
#
#SBATCH --job-name=jaxtalk
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gres=gpu:8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@300
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.out
set -euo pipefail

dry_run=
args=()
for arg in "$@"; do
  if [ "$arg" = --dry_run ]; then dry_run=1; else args+=("$arg"); fi
done
set -- "${args[@]}"
if [ -z "$dry_run" ]; then
  if [ -z "${SLURM_JOB_ID:-}" ]; then
    echo "SLURM_JOB_ID: not set; submit with 'sbatch launch/slurm_gpu.sh', or print with --dry_run" >&2
    exit 1
  fi
  cd "$SLURM_SUBMIT_DIR" # sbatch runs a copy of this file from elsewhere
fi

if [ "${SLURM_NTASKS_PER_NODE:-8}" = 1 ]; then
  # JAX would give the only process of a node its first GPU.
  set -- --local_device_ids="$(seq -s, 0 $((${SLURM_GPUS_ON_NODE:-1} - 1)))" "$@"
fi
train=(srun --kill-on-bad-exit=1 .venv/bin/python -m jaxtalk.train --distributed "$@")
requeue=(scontrol requeue "${SLURM_JOB_ID:-JOB_ID}")

if [ -n "$dry_run" ]; then
  printf '%q ' sbatch launch/slurm_gpu.sh "$@" && echo
  printf '%q ' "${train[@]}" && echo
  printf '%q ' "${requeue[@]}" && echo '# only when the time limit is near'
  exit 0
fi

step='' asked='' out_of_time=''
ask_to_stop() {
  asked=1
  [ -z "$step" ] || kill -TERM "$step" 2>/dev/null || true
}
trap 'out_of_time=1; ask_to_stop' USR1
trap ask_to_stop TERM
"${train[@]}" &
step=$!
[ -z "$asked" ] || ask_to_stop

# A signal ends `wait` early: only the one after the step is gone returns the step's own status.
while kill -0 "$step" 2>/dev/null; do
  wait "$step" || true
done
status=0
wait "$step" || status=$?

if [ -n "$out_of_time" ]; then
  "${requeue[@]}"
  exit 0
fi
exit "$status"
