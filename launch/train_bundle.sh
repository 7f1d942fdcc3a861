#!/usr/bin/env bash
# Trains the weights that come with jaxtalk, from nothing, and the ablations of StyleTalker on the
# same frozen stages, and takes them into jaxtalk/bundle:
# bash launch/train_bundle.sh [--config.styletalker.num_steps=... and the like, for training]
# Each recipe takes the options of the stages that it has; all are checked first, in minutes. Takes
# about 12 hours on 2 cores, half of them for psp. Run again after it was stopped, it goes on where
# it was. PYTHON names the interpreter (default: the first 3.11 or 3.12 found). The weights that are
# there came from rounds of this recipe, see jaxtalk/bundle/demo/card.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs=runs/bundle
# XLA asks for fresh memory in each call; huge pages make that a fifth cheaper on CPUs.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}

bash launch/venv.sh demo
python=.venv/bin/python
train() { # preset, work directory, options
  local option options=("--config.dataset.codes_dir=$runs/codes")
  for option in "${@:3}"; do
    # The recipe without a sync loss has no stage syncnet.
    [[ $1 == *no_sync && $option =~ ^--?config\.((start_from|pretrained)\.)?syncnet[.=] ]] ||
      options+=("$option")
  done
  "$python" -m jaxtalk.train --config "configs/styletalker.py:$1" --workdir "$2" "${options[@]}"
}
echo "checks the options with each recipe"
train bundle $runs/full --stage landmarks --dry_run "$@" >/dev/null
train bundle $runs/full --dry_run "$@" >/dev/null
train bundle_no_flow $runs/no_flow --dry_run "$@" >/dev/null
train bundle_no_sync $runs/no_sync --dry_run "$@" >/dev/null
for corpus in faces_64 bundle_64; do
  $python -m tfds_builders.procedural_heads.build --config "$corpus" --data_dir data
done
train bundle $runs/full --stage landmarks "$@"
train bundle $runs/full "$@"
frozen=()
for stage in perceptual arcface psp syncnet; do
  frozen+=("--config.pretrained.$stage=$runs/full/$stage/weights")
done
train bundle_no_flow $runs/no_flow "${frozen[@]}" "$@"
train bundle_no_sync $runs/no_sync "${frozen[@]}" "$@"
note="bash launch/train_bundle.sh $*"
pack() { # options
  "$python" -m jaxtalk.bundle.make --workdir $runs/full --no_flow $runs/no_flow \
    --no_sync $runs/no_sync --note "$note" "$@"
}
pack
bash launch/check_bundle.sh
pack --claims runs/evaluation/report.json # the same weights, and the claims in the card
