#!/usr/bin/env bash
# Runs the tests: all of them, or what pytest's arguments select: ./run_tests.sh -m kafka
#
# Makes the Python environment in .venv first, where that is not done yet. PYTHON names another
# Python, ERROR_WINDOWS_VENV another place for the environment.
set -euo pipefail

script=${BASH_SOURCE[0]}
while [ -L "$script" ]; do
  target=$(readlink "$script")
  case $target in
    /*) script=$target ;;
    *) script=$(dirname -- "$script")/$target ;;
  esac
done
root=$(CDPATH='' cd -- "$(dirname -- "$script")" && pwd -P)

# shellcheck source=pipeline/local/environment.sh
. "$root/pipeline/local/environment.sh"
ensure_environment "$root" test.txt

cd -- "$root"
exec "$venv/bin/python" -m pytest "$@"
