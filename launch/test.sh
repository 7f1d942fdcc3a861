#!/usr/bin/env bash
# Installs into .venv and passes the linter and the tests: bash launch/test.sh [pytest arguments]
# PYTHON names the interpreter (default: the first 3.11 or 3.12 found).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch/venv.sh test
.venv/bin/python -m ruff check .
.venv/bin/python -m ruff format --check .
.venv/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile "$@"
