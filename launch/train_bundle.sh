#!/usr/bin/env bash
# Trains the weights that come with jaxtalk, from nothing, and the ablations of StyleTalker on the
# same frozen stages, and takes them into jaxtalk/bundle:
# bash launch/train_bundle.sh [--config.styletalker.num_steps=... and the like, for training]
# Takes about ten hours on 2 cores, half of them for psp. Run again after it was stopped, it goes on
# where it was. PYTHON names the interpreter (default: the first 3.11 or 3.12 found). The weights that
# are there came from rounds of this recipe, see jaxtalk/bundle/demo/card.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs=runs/bundle
# XLA asks for fresh memory in each call; huge pages make that a fifth cheaper on CPUs.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}

bash launch/venv.sh demo
python=.venv/bin/python
for corpus in faces_64 bundle_64; do
  $python -m tfds_builders.procedural_heads.build --config "$corpus" --data_dir data
done
train() { # preset, work directory, options
  "$python" -m jaxtalk.train --config "configs/styletalker.py:$1" --workdir "$2" \
    --config.dataset.codes_dir=$runs/codes "${@:3}"
}
train bundle $runs/full --stage landmarks "$@"
train bundle $runs/full "$@"
frozen=()
for stage in perceptual arcface psp syncnet; do
  frozen+=("--config.pretrained.$stage=$runs/full/$stage/weights")
done
train bundle_no_flow $runs/no_flow "${frozen[@]}" "$@"
train bundle_no_sync $runs/no_sync "${frozen[@]:0:3}" "$@" # that recipe has no stage syncnet
$python -m jaxtalk.bundle.make --workdir $runs/full --no_flow $runs/no_flow \
  --no_sync $runs/no_sync --note "bash launch/train_bundle.sh $*"
bash launch/check_bundle.sh
