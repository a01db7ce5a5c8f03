#!/usr/bin/env bash
# Counts live on this machine, with Apache Flink: ./run_flink.sh --help
#
# Makes the Python environment in .venv first, where that is not done yet. Works from any
# folder; relative paths in the arguments are the caller's. PYTHON names another Python,
# ERROR_WINDOWS_VENV another place for the environment.
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
ensure_environment "$root" runtime.txt

# The installed command, not `python -m pipeline`: that would take a folder `pipeline` in the
# caller's folder for ours.
exec "$venv/bin/error-windows" flink "$@"
