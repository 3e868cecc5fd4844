#!/usr/bin/env bash
# Run a command with a Docker engine, Compose and the images of docker-compose.yml at hand, and take away afterwards
# whatever this script brought. README.md says how.
# Usage: tests/support/docker/run.sh COMMAND [ARGUMENT…]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=$(cd "$here/../../.." && pwd)/build/docker # images are kept here between runs, in an engine of our own
ours=false                                       # is the engine our own?
untag=()                                         # names given to stand-ins in somebody else's engine

say() { printf 'docker: %s\n' "$1" >&2; }
answers() { timeout 20 docker info >/dev/null 2>&1; }

find_missing() { # what keeps us from starting an engine
    local program
    [ "$(id -u)" -eq 0 ] || { echo "no Docker engine answers, and only root can start one"; return; }
    for program in docker dockerd iptables-save ip setpriv; do
        command -v "$program" >/dev/null || { echo "no Docker engine answers, and $program is not installed"; return; }
    done
}

save_firewall() { # a table that nobody has used yet is not printed; restored, it is empty
    local saved
    saved=$(iptables-save)
    echo "$saved"
    grep --quiet '^\*filter' <<<"$saved" || printf '%s\n' '*filter' ':INPUT ACCEPT' ':FORWARD ACCEPT' ':OUTPUT ACCEPT' COMMIT
    grep --quiet '^\*nat' <<<"$saved" ||
        printf '%s\n' '*nat' ':PREROUTING ACCEPT' ':INPUT ACCEPT' ':OUTPUT ACCEPT' ':POSTROUTING ACCEPT' COMMIT
}

start_engine() {
    exec 8>/tmp/solekey-docker.lock # one engine of ours a machine: they would share a bridge and the firewall's rules
    if ! flock --nonblock 8; then
        say "another test run has its engine; waiting until that ends"
        flock 8
    fi
    mkdir -p "$state"
    run=$(mktemp -d /tmp/solekey-docker.XXXXXX) # a socket's path must be short
    save_firewall >"$run/iptables"
    ip -brief link | awk '{print $1}' >"$run/links"
    cat /proc/sys/net/ipv4/ip_forward >"$run/ip_forward"
    export DOCKER_HOST=unix://$run/docker.sock
    # The engine ends with this script, even when that is killed.
    setsid setpriv --pdeathsig TERM dockerd --host "$DOCKER_HOST" --data-root "$state/data" \
        --exec-root "$run/exec" --pidfile "$run/pid" >"$state/dockerd.log" 2>&1 </dev/null 8>&- &
    dockerd=$!
    ours=true
    local try
    for try in $(seq 150); do
        kill -0 "$dockerd" 2>/dev/null || break
        answers && return
        sleep 0.2
    done
    tail -n 5 "$state/dockerd.log" >&2
    return 1
}

stop_engine() {
    local containers link
    containers=$(docker ps --all --quiet 2>/dev/null) || true
    [ -z "$containers" ] || docker rm --force --volumes $containers >/dev/null || true
    { docker volume prune --force && docker network prune --force && docker image prune --force; } >/dev/null 2>&1 || true
    kill "$dockerd" 2>/dev/null || true
    wait "$dockerd" 2>/dev/null || true
    iptables-restore <"$run/iptables" || true
    cat "$run/ip_forward" >/proc/sys/net/ipv4/ip_forward
    for link in $(ip -brief link show type bridge | awk '$1 ~ /^(docker0|br-)/ {print $1}'); do
        grep --quiet --line-regexp "$link" "$run/links" || ip link delete "$link" || true
    done
    umount "$run"/exec/netns/* 2>/dev/null || true # dockerd leaves the host's network namespace mounted
    rm -rf "$run"
}

take_away() {
    local containers
    trap - EXIT
    if $ours; then
        stop_engine
        return
    fi
    containers=$(docker ps --all --quiet --filter label=solekey.tests 2>/dev/null) || true
    [ -z "$containers" ] || docker rm --force --volumes $containers >/dev/null || true
    [ ${#untag[@]} -eq 0 ] || docker rmi --no-prune "${untag[@]}" >/dev/null || true
}

give_up() {
    export SOLEKEY_DOCKER_MISSING=$1
    say "NO DOCKER: $1. Tests of the real deployment are skipped (SOLEKEY_REQUIRE_REAL=1 makes that a failure)."
    $ours && take_away
    unset DOCKER_HOST
    exec "${command[@]}"
}

command=("$@")
[ ${#command[@]} -gt 0 ] || { echo "usage: run.sh COMMAND [ARGUMENT…]" >&2; exit 2; }
if ! answers; then
    missing=$(find_missing)
    [ -z "$missing" ] || give_up "$missing"
    trap take_away EXIT
    trap 'exit 130' INT TERM HUP
    start_engine || give_up "dockerd does not start (see $state/dockerd.log)"
fi
trap take_away EXIT
trap 'exit 130' INT TERM HUP
export DOCKER_CONFIG=${DOCKER_CONFIG:-$state/config} # Compose is put there where it is missing
# shellcheck source=images.sh
. "$here/images.sh"
if ! make_images; then
    give_up "Compose or the images cannot be had (what failed is said above)"
fi
status=0
"${command[@]}" || status=$?
exit "$status"
