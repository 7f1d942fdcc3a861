#!/usr/bin/env bash
# Makes .venv in the repository and installs jaxtalk there with one extra: bash launch/venv.sh demo
# or with several: bash launch/venv.sh torch,phonemes,beam
# Does nothing when that is done already. PYTHON names the interpreter: 3.11 or 3.12, which are
# tested; a newer one is taken only when it is named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extra=$1

die() {
  echo "$1" >&2
  exit 1
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

tested() { case $(version_of "$1") in 3.11 | 3.12) ;; *) return 1 ;; esac }

python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in python3 python3.12 python3.11; do
    if tested "$candidate"; then
      python=$candidate
      break
    fi
  done
  [ -n "$python" ] || die "Python: none of python3, python3.12, python3.11 is 3.11 or 3.12\
 (python3 is $(version_of python3 || echo absent)); install one of them, or set PYTHON, which may\
 be newer"
fi
new_enough "$python" || die "PYTHON: $python does not run, or is not Python 3.11 or newer"

if [ -x .venv/bin/python ] && [ "$(version_of .venv/bin/python)" != "$(version_of "$python")" ]; then
  [ -z "${PYTHON:-}" ] || die ".venv is Python $(version_of .venv/bin/python), PYTHON is\
 $(version_of "$python"): remove .venv first"
fi

stamp=.venv/installed-$extra
if [ -f "$stamp" ] && cmp -s setup.py "$stamp"; then
  exit 0
fi
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  "$python" -m venv --clear .venv || die ".venv: $python cannot make a virtual environment;\
 install its venv module (Debian, Ubuntu: apt install python3-venv)"
fi
echo "installs jaxtalk[$extra] into .venv, a minute or two"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[$extra]"
cp setup.py "$stamp"
