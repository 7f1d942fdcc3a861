#!/usr/bin/env bash
# From a bare machine to a talking head: installs into .venv, builds the embedded corpus in data/,
# trains the demo in runs/quickstart and animates a portrait. Run again, it goes on where it
# stopped. PYTHON names the interpreter (default: the first 3.11 or 3.12 found).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
run=runs/quickstart
# XLA asks for fresh memory in each call; huge pages make that a fifth cheaper on CPUs.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}
times=''

step() {
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  "$@" || {
    echo "quickstart stopped in step '$name'; its message is above, the same command goes on" >&2
    exit 1
  }
  times+=$(printf '%6d s  %s' $((SECONDS - start)) "$name")$'\n'
}

step install bash launch/venv.sh demo
python=.venv/bin/python
step corpus $python -m tfds_builders.procedural_heads.build --config demo_64 --data_dir data
step train $python -m jaxtalk.train --config configs/styletalker.py --workdir $run
step portrait $python -m jaxtalk.data.export_clip --dataset procedural_heads/demo_64 \
  --data_dir data --split test --image $run/portrait.png --audio $run/speech.wav
step generate $python -m jaxtalk.generate --checkpoint $run --image $run/portrait.png \
  --audio $run/speech.wav --out $run/talk.mp4
printf '%s' "$times"
echo "wrote $run/talk.mp4"
