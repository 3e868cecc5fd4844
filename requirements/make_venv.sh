#!/usr/bin/env bash
# Make the virtual environment .venv with a Python that is new enough, on a machine with nothing but Python.
# Usage: requirements/make_venv.sh FOLDER [PYTHON]
set -euo pipefail

folder=$1
wanted=${2:-}
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

find_python() {
    local candidate
    for candidate in ${wanted:-python3 python3.13 python3.12 python3.11 python}; do
        if "$candidate" -c "$new_enough" >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    {
        echo "Solekey needs Python 3.11 or newer."
        echo "Tried: ${wanted:-python3 python3.13 python3.12 python3.11 python}"
        "${wanted:-python3}" --version 2>&1 | sed 's/^/Found: /' || true
        echo "Install one, or name it: make PYTHON=/path/to/python3.12 …"
    } >&2
    return 1
}

python=$(find_python)
if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    "$python" -m venv --clear "$folder"
elif "$python" -m virtualenv --version >/dev/null 2>&1; then
    "$python" -m virtualenv --quiet --clear "$folder"
elif "$python" -m pip --version >/dev/null 2>&1; then
    borrowed=$(mktemp -d) # Debian splits ensurepip off; --target leaves the machine's own packages alone
    trap 'rm -rf "$borrowed"' EXIT
    "$python" -m pip install --quiet --target "$borrowed" virtualenv
    PYTHONPATH=$borrowed "$python" -m virtualenv --quiet --clear "$folder"
else
    echo "$("$python" --version) has neither venv's ensurepip, nor virtualenv, nor pip." >&2
    echo "On Debian or Ubuntu: apt-get install python3-venv" >&2
    exit 1
fi
"$folder/bin/python" -c "$new_enough"
