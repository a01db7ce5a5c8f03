# shellcheck shell=bash
# Shared by run_direct.sh, run_tests.sh and .ci/run, which source it: finds a Python and makes
# the virtual environment. Needs only bash 3.2, which macOS has.

# Succeeds if the command $1 runs and is a CPython that the packages exist for. Running it is
# the only proof: a pyenv shim is there for every version that any folder has.
python_fits() {
  "$1" -E -S -c '
import sys
fits = (3, 10) <= sys.version_info[:2] <= (3, 13) and sys.implementation.name == "cpython"
sys.exit(not fits or "t" in sys.abiflags)
' >/dev/null 2>&1 </dev/null
}

# Prints the Python that the environment $1 was made from, by the file pyvenv.cfg in it.
python_of_environment() {
  local key value home='' version=''
  [ -r "$1/pyvenv.cfg" ] || return 0
  while IFS='=' read -r key value; do
    case $key in
      'home ') home=${value# } ;;
      'version ' | 'version_info ') version=${value# } ;;
    esac
  done <"$1/pyvenv.cfg"
  case $version in
    3.*.*) version=${version#3.} && echo "$home/python3.${version%%.*}" ;;
  esac
}

# Prints the first line of what the command $1 says of its version, or `nothing`.
version_of() {
  local said=nothing
  if command -v "$1" >/dev/null 2>&1; then
    said=$("$1" --version 2>&1 </dev/null) || true
  fi
  echo "${said%%$'\n'*}"
}

# Prints the Python to use for the environment $1: $PYTHON, else the one it was made from, else
# the newest on the PATH.
find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    if python_fits "$PYTHON"; then
      echo "$PYTHON"
      return 0
    fi
    echo "error: PYTHON: must be a Python 3.10 to 3.13, got $PYTHON ($(version_of "$PYTHON"))." \
      'Name another, or unset it.' >&2
    return 2
  fi
  for candidate in "$(python_of_environment "$1")" \
    python3.13 python3.12 python3.11 python3.10 python3 python; do
    if [ -n "$candidate" ] && python_fits "$candidate"; then
      echo "$candidate"
      return 0
    fi
  done
  echo "error: python: none from 3.10 to 3.13 found, got $(version_of python3) as python3." \
    'Install one, or name one with PYTHON=/path/to/python3.' >&2
  return 2
}

# Makes the environment of the project in $1 hold the lock requirements/$2, and sets `venv` to
# its folder: $ERROR_WINDOWS_VENV, else .venv in the project.
ensure_environment() {
  local python
  venv=${ERROR_WINDOWS_VENV:-$1/.venv}
  case $venv in
    /*) ;;
    *) venv=$PWD/$venv ;;
  esac
  python=$(find_python "$venv") || return
  case $python in
    /*) ;;
    */*) python=$PWD/$python ;;
  esac
  (
    CDPATH='' cd -- "$1" || exit
    # -E -S: nothing of the user's own Python set-up gets between.
    "$python" -E -S -m pipeline.local.environment \
      --venv "$venv" --requirements "requirements/$2"
  )
}
