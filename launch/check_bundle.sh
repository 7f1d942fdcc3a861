#!/usr/bin/env bash
# Measures the claims of StyleTalker for the bundle on the test split of the embedded corpus, which
# is drawn first where it is not there: bash launch/check_bundle.sh [--claims NAME ...] ...
# Options go to jaxtalk.evaluate; --checkpoint DIR measures another run. The table is printed, and
# written to runs/evaluation.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# XLA asks for fresh memory in each call; huge pages that are kept make that cheap on CPUs.
keep=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1:$keep}

bash launch/venv.sh demo
python=.venv/bin/python
$python -m tfds_builders.procedural_heads.build --config test_64 --data_dir data
$python -m jaxtalk.evaluate --checkpoint bundle --no_flow bundle:no_flow --no_sync bundle:no_sync \
  --protocols --dataset procedural_heads/test_64 --data_dir data --split test "$@"
