#!/bin/bash
# Change passwords and the operator key of the installation of docker-compose.yml: docs/operations/secrets.md.
#
#   deploy/rotate.sh NAME…   such as AUTH_DATABASE_PASSWORD VAULT_BUS_PASSWORD, as they stand in deploy/.env
#
# Each gets a new random value, where it is demanded first and then in deploy/.env; the services that use it start
# again. Interrupted in between, run it again: the next value takes the place of both. The operator key that is being
# changed stands in deploy/.env as AUTH_FORMER_OPERATOR_KEY until nothing derives from it; run again, that goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077

readonly FORMER=AUTH_FORMER_OPERATOR_KEY
compose=(docker compose --env-file deploy/.env)

fail() {
    echo "rotate.sh: $*" >&2
    exit 1
}

# Write deploy/.env anew, which is never there by half: without the lines of a name, and these in their place.
write_lines() {
    local name=$1 line
    shift
    while IFS= read -r line || [[ -n $line ]]; do
        if [[ $line == "$name="* ]]; then
            [[ $# -eq 0 ]] || printf '%s\n' "$@"
        else
            printf '%s\n' "$line"
        fi
    done <deploy/.env >deploy/.env.new
    sync deploy/.env.new
    mv deploy/.env.new deploy/.env
    if [[ -d deploy/secrets.values ]]; then deploy/write_secret_files.sh; fi
}

# psql reads the password from its standard input, so that it stands in no argument list.
alter_role() {
    printf "ALTER ROLE \"%s\" PASSWORD '%s';\n" "$1" "$2" | "${compose[@]}" exec -T postgres \
        psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname solekey
}

[[ $# -gt 0 ]] || { sed --quiet 's/^#   //p' "$0" >&2; exit 2; }
for name in "$@"; do
    grep --quiet "^$name=" deploy/.env || fail "$name: deploy/.env has no such name"
    case $name in
    *_DATABASE_PASSWORD | *_BUS_PASSWORD | POSTGRES_PASSWORD) ;;
    AUTH_OPERATOR_KEY) ;;
    *) fail "$name: docs/operations/secrets.md says how it is changed" ;;
    esac
done

users=() on_bus=false key=false
for name in "$@"; do
    value=$(od --address-radix=n --format=x1 --read-bytes=32 /dev/urandom | tr --delete ' \n')
    service=${name%%_*} service=${service,,}
    case $name in
    POSTGRES_PASSWORD) alter_role postgres "$value" ;; # the image's own user; the container starts with any value
    *_DATABASE_PASSWORD)
        alter_role "solekey_$service" "$value"
        users+=("$service")
        ;;
    *_BUS_PASSWORD)
        on_bus=true
        [[ $service == auditor ]] || users+=("$service")
        ;;
    AUTH_OPERATOR_KEY)
        key=true
        users+=("$service")
        if ! grep --quiet "^$FORMER=" deploy/.env; then # else what was begun is gone on with
            former=$(sed --quiet "s/^$name=//p" deploy/.env)
            write_lines "$name" "$name=$value" "$FORMER=$former"
        fi
        continue
        ;;
    esac
    write_lines "$name" "$name=$value"
done
if $on_bus; then "${compose[@]}" run --rm -T kafka-init; fi # sets every password of the bus anew
mapfile -t users < <(printf '%s\n' "${users[@]}" | sort --unique | sed '/^$/d')
if $key; then # a command that is given both puts the new one in force; no process of auth has the former one then
    "${compose[@]}" stop auth
    SOLEKEY_FORMER_OPERATOR_KEY=$(sed --quiet "s/^$FORMER=//p" deploy/.env) "${compose[@]}" run --rm -T --no-deps \
        --env SOLEKEY_FORMER_OPERATOR_KEY auth python -m solekey_auth operator-key
fi
if ((${#users[@]})); then # a file that has changed is no reason for Compose to make a container anew
    "${compose[@]}" up --detach --force-recreate --wait --wait-timeout 300 --no-deps "${users[@]}"
fi
if $key; then
    "${compose[@]}" exec -T auth python -m solekey_auth move-secrets
    write_lines "$FORMER"
fi
echo "changed: $*. Back up deploy/.env."
