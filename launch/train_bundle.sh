#!/usr/bin/env bash
# Trains the weights that come with jaxtalk, from nothing, and takes them into jaxtalk/bundle:
# bash launch/train_bundle.sh [--config.styletalker.num_steps=... and the like, for training]
# Takes some hours on 2 cores. Run again after it was stopped, it goes on where it was. PYTHON
# names the interpreter (default: the first 3.11 or 3.12 found).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
run=runs/bundle
# XLA asks for fresh memory in each call; huge pages make that a fifth cheaper on CPUs.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}

bash launch/venv.sh demo
python=.venv/bin/python
for corpus in bundle_64 demo_64; do
  $python -m tfds_builders.procedural_heads.build --config "$corpus" --data_dir data
done
train=("$python" -m jaxtalk.train --config configs/styletalker.py:bundle --workdir "$run")
"${train[@]}" --stage landmarks "$@"
"${train[@]}" "$@"
$python -m jaxtalk.bundle.make --workdir $run --note "bash launch/train_bundle.sh $*"
bash launch/check_bundle.sh
