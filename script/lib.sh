# Sourced by the other scripts: finds Python, makes .venv from the hash-locked requirements, installs system packages.
#
# One .venv per checkout, with two levels: `runtime` (what the products need) and `dev` (runtime and the tools, same
# pins). A stamp file names lock, Python and folder; when it still fits, set-up costs a few milliseconds.
# Never asks a question, never writes outside the checkout except by apt, never names a host.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV="$ROOT/.venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1
unset PYTHONDONTWRITEBYTECODE  # containers like to set it: every process would then compile all of us again

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# --- system packages ---------------------------------------------------------------------------------------------

apt_possible() { [ "$(id -u)" = 0 ] && [ "${KAOFEN_APT:-yes}" != no ] && command -v apt-get >/dev/null; }

apt_install() {
  say "installing system packages: $*"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null >&2 && apt-get install -y -qq --no-install-recommends "$@" </dev/null >&2
}

# --- Python ------------------------------------------------------------------------------------------------------

python_fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  local name
  for name in "${KAOFEN_PYTHON:-python3}" python3 python3.13 python3.12 python3.11; do
    if python_fits "$name"; then command -v "$name"; return; fi
  done
  return 1
}

need_python() {
  find_python && return
  if apt_possible && apt_install python3 python3-venv; then find_python && return; fi
  die "needs Python 3.11 or newer. On Debian 12 or Ubuntu 24.04, as root: apt-get install -y python3 python3-venv"
}

# --- .venv -------------------------------------------------------------------------------------------------------

# The program that installs into .venv: its own pip, or a pip outside it (Debian without python3-venv has no ensurepip).
venv_pip() {
  if [ -x "$VENV/bin/pip" ] && "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    "$VENV/bin/python" -m pip "$@"
  else
    "$BASE_PYTHON" -m pip --python "$VENV/bin/python" "$@"
  fi
}

make_venv() {
  rm -rf "$VENV"
  if "$BASE_PYTHON" -m venv "$VENV" >/dev/null 2>&1; then return; fi
  rm -rf "$VENV"
  if "$BASE_PYTHON" -m pip --version >/dev/null 2>&1 && "$BASE_PYTHON" -m venv --without-pip "$VENV" >/dev/null 2>&1; then
    return
  fi
  rm -rf "$VENV"
  if apt_possible && apt_install python3-venv && "$BASE_PYTHON" -m venv "$VENV" >&2; then return; fi
  die "this Python cannot make a virtual environment (no ensurepip). As root: apt-get install -y python3-venv"
}

stamp_of() {
  { cat "$ROOT/requirements/$1.txt" "$ROOT/pyproject.toml"; printf '%s\n' "$VENV"; "$VENV/bin/python" -VV; } | sha256sum
}

ready() {
  [ -x "$VENV/bin/python" ] && python_fits "$VENV/bin/python" && [ -f "$VENV/kaofen-$1" ] \
    && [ "$(stamp_of "$1" 2>/dev/null)" = "$(cat "$VENV/kaofen-$1")" ]
}

install_level() {
  local level=$1 started=$SECONDS
  BASE_PYTHON=$(need_python)
  if ! [ -x "$VENV/bin/python" ] || ! python_fits "$VENV/bin/python"; then make_venv; fi
  say "installing the locked $level packages into .venv (once; a minute or two) ..."
  rm -f "$VENV/kaofen-runtime" "$VENV/kaofen-dev"
  # Wheels only: a source package would run its own build code with build tools that no hash covers.
  venv_pip install --quiet --require-hashes --only-binary=:all: -r "$ROOT/requirements/$level.txt" </dev/null >&2
  venv_pip install --quiet --no-deps --no-build-isolation -e "$ROOT" </dev/null >&2
  if [ "$level" = dev ]; then stamp_of runtime >"$VENV/kaofen-runtime"; fi
  stamp_of "$level" >"$VENV/kaofen-$level"
  say "installed in $((SECONDS - started)) s"
}

# setup runtime|dev
setup() {
  ready "$1" && return
  exec 9>"$ROOT/.venv.lock"
  if command -v flock >/dev/null; then flock 9; fi
  ready "$1" || install_level "$1"
  exec 9>&-
}
