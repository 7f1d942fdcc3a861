#!/usr/bin/env bash
# Installs MediaPipe's face mesh beside jaxtalk: bash launch/install_face.sh
# PYTHON names the interpreter (default: the active environment's, else that of .venv, else python3).
#
# The 0.10.21 wheel is the last one that carries its models. It pins numpy 1 and an old protobuf,
# but runs with the versions that jaxtalk's extra "face" names, so it is installed without its
# dependencies.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-}
if [ -z "$python" ]; then
  python=python3
  [ -n "${VIRTUAL_ENV:-}" ] || [ ! -x .venv/bin/python ] || python=.venv/bin/python
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))'; then
  echo "$python: MediaPipe 0.10.21 has wheels for Python 3.11 and 3.12 only; set PYTHON" >&2
  exit 1
fi

"$python" -m pip install --quiet --disable-pip-version-check -e ".[face]"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps mediapipe==0.10.21
"$python" -W ignore - 2>/dev/null <<'PYTHON' || {
from mediapipe.python.solutions import face_mesh

face_mesh.FaceMesh(static_image_mode=True).close()
PYTHON
  echo "mediapipe: installed, but its face mesh does not start; see the message of" \
    "$python -c 'from mediapipe.python.solutions import face_mesh'" >&2
  exit 1
}
echo "The face mesh is ready in $("$python" -c 'import sys; print(sys.prefix)')"
