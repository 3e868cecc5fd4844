#!/usr/bin/env bash
# Lock every requirements/*.in. Usage: [BIN=.venv/bin] requirements/lock.sh [--upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."

lock() { # OUTPUT INPUT...
    local output=$1
    shift
    "${BIN:-.venv/bin}/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "${flags[@]}" "$@" -o "$output"
}

flags=("$@")
lock requirements/installer.txt --allow-unsafe requirements/installer.in
lock requirements/dev.txt requirements/dev.in
flags=(--constraints requirements/dev.txt --upgrade) # the constraint decides the version
lock requirements/demo.txt requirements/demo.in
lock requirements/notebooks.txt requirements/notebooks.in
lock requirements/services.txt requirements/services.in requirements/build.in
lock requirements/client.txt requirements/client.in requirements/build.in
