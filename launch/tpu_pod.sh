#!/usr/bin/env bash
# Trains on a Cloud TPU slice of any size, through preemptions.
#
#   bash launch/tpu_pod.sh upload --bucket B [--data data]
#   bash launch/tpu_pod.sh train --bucket B --name N --zone Z --type v5p-32 [--spot] -- TRAIN_ARGS
#   bash launch/tpu_pod.sh stop | delete --name N --zone Z
#
# upload  makes the bucket, unless it exists, and copies the corpora in --data to it.
# train   creates the TPU or uses the one of that name, installs this commit on all its workers,
#         mounts the bucket, and runs `jaxtalk.train --distributed TRAIN_ARGS` on all of them with
#         the corpora in <bucket>/data and the work directory <bucket>/runs/<name>. When the TPU is
#         preempted it is made again and the run goes on from its last checkpoint. The TPU stays
#         when training ends: delete it.
# stop    (one host only: Cloud TPU can only delete larger slices) and delete end the billing.
# --dry_run prints every command and runs none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
  echo "$1" >&2
  exit 1
}

action=${1:-}
[ $# -eq 0 ] || shift
name='' zone='' bucket='' type='' data=data version='' dry_run='' spot=()
while [ $# -gt 0 ]; do
  case $1 in
    --name | --zone | --bucket | --type | --version | --data)
      [ $# -ge 2 ] || die "$1: needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    --spot) spot=(--spot) && shift ;;
    --dry_run) dry_run=1 && shift ;;
    --) shift && break ;;
    *) die "$1: unknown option; see the top of launch/tpu_pod.sh" ;;
  esac
done
need() { for option in "$@"; do [ -n "${!option}" ] || die "--$option: missing"; done; }

run() {
  local word
  if [ -n "$dry_run" ]; then
    for word in "$@"; do
      case $word in
        *[!A-Za-z0-9_./:=,@%+-]*) printf "'%s' " "${word//\'/\'\\\'\'}" ;;
        *) printf '%s ' "$word" ;;
      esac
    done
    echo
  else
    "$@"
  fi
}
tpu() {
  local verb=$1
  shift
  run gcloud compute tpus tpu-vm "$verb" "$name" --zone="$zone" --quiet "$@"
}
on_all_workers() {
  tpu ssh --worker=all --ssh-flag='-o ServerAliveInterval=30' --command="$1"
}

# One of READY, PREEMPTED, CREATING, ...; ABSENT when there is none of that name.
state() {
  local answer
  if answer=$(gcloud compute tpus tpu-vm describe "$name" --zone="$zone" \
    --format='value(state)' 2>&1); then
    echo "${answer##*$'\n'}"
  elif [[ $answer == *NOT_FOUND* ]]; then
    echo ABSENT
  else
    die "gcloud: $answer"
  fi
}

create() { tpu create --accelerator-type="$type" --version="$version" ${spot[@]+"${spot[@]}"}; }

bring_up() {
  local now
  if [ -n "$dry_run" ]; then
    echo "# unless it exists:"
    create
    return
  fi
  while true; do
    now=$(state)
    echo "TPU $name: $now"
    case $now in
      READY) return ;;
      ABSENT) create || sleep "$pause" ;; # no capacity at the moment
      STOPPED) tpu start || sleep "$pause" ;;
      PREEMPTED | TERMINATED | FAILED) tpu delete || sleep "$pause" ;;
      *) sleep "$pause" ;;
    esac
  done
}

install() {
  local archive
  # Bash ignores errexit in a function that is called as a condition: hence each `|| return 1`.
  archive=$(mktemp -d)/jaxtalk.tgz || return 1
  run git archive --output="$archive" HEAD || return 1
  run gcloud compute tpus tpu-vm scp "$archive" "$name:" --zone="$zone" --worker=all --quiet ||
    return 1
  rm -rf "$(dirname "$archive")"
  on_all_workers "set -e
pkill -f '[j]axtalk.train' || true
mkdir -p jaxtalk bucket
find jaxtalk -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} +
tar -xzf jaxtalk.tgz -C jaxtalk
if ! command -v gcsfuse >/dev/null; then
  curl -sSfLO $gcsfuse
  sudo apt-get install -y -qq ./${gcsfuse##*/}
fi
mountpoint -q bucket || gcsfuse $bucket bucket
cd jaxtalk
if ! [ -x .venv/bin/python ]; then
  python3 -m pip install --user -q uv
  ~/.local/bin/uv venv --seed -q --python 3.12 .venv
fi
.venv/bin/python -m pip install -q -e '.[demo,tpu]'"
}

train() {
  local command now failures=0
  command="cd jaxtalk && .venv/bin/python -m jaxtalk.train --distributed \
--workdir ../bucket/runs/$name$(printf ' %q' "$@") --config.dataset.data_dir=../bucket/data"
  while true; do
    bring_up
    if install && on_all_workers "$command"; then
      [ -n "$dry_run" ] || echo "finished: gs://$bucket/runs/$name; now delete the TPU"
      return
    fi
    now=$(state)
    [ "$now" != READY ] || failures=$((failures + 1))
    [ "$failures" -lt 3 ] || die "train: failed three times while TPU $name was up; its output is above"
    echo "TPU $name: $now; training ended early, going on from the last checkpoint"
    sleep "$pause"
  done
}

gcsfuse=https://github.com/GoogleCloudPlatform/gcsfuse/releases/download/v3.6.0/gcsfuse_3.6.0_amd64.deb
pause=${JAXTALK_PAUSE_S:-60} # seconds between two looks at a TPU that is not ready
if [ -z "$version" ]; then
  case $type in
    v5litepod*) version=v2-alpha-tpuv5-lite ;;
    v5p*) version=v2-alpha-tpuv5 ;;
    v6e*) version=v2-alpha-tpuv6e ;;
    *) version=tpu-ubuntu2204-base ;;
  esac
fi

case $action in
  upload)
    need bucket
    if [ -n "$dry_run" ] || ! gcloud storage buckets describe "gs://$bucket" >/dev/null 2>&1; then
      # Checkpoints become visible by renaming a folder: atomic only with this kind of bucket.
      run gcloud storage buckets create "gs://$bucket" --uniform-bucket-level-access \
        --enable-hierarchical-namespace
    fi
    run gcloud storage rsync --recursive "$data" "gs://$bucket/data"
    ;;
  train)
    need name zone bucket type
    train "$@"
    ;;
  stop | delete)
    need name zone
    tpu "$action"
    ;;
  *) die "action: found '$action', expected upload, train, stop or delete" ;;
esac
