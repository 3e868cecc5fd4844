#!/bin/bash
# Change passwords of the installation of docker-compose.yml while it runs: docs/operations/secrets.md.
#
#   deploy/rotate.sh NAME…   such as AUTH_DATABASE_PASSWORD VAULT_BUS_PASSWORD, as they stand in deploy/.env
#
# Each gets a new random value, where it is demanded first and then in deploy/.env; the services that use it start
# again. Interrupted in between, run it again: the next value takes the place of both.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077

compose=(docker compose --env-file deploy/.env)

fail() {
    echo "rotate.sh: $*" >&2
    exit 1
}

# Say in deploy/.env, which is never there by half, that a name has another value.
write_value() {
    local name=$1 value=$2 line
    while IFS= read -r line || [[ -n $line ]]; do
        if [[ $line == "$name="* ]]; then line=$name=$value; fi
        printf '%s\n' "$line"
    done <deploy/.env >deploy/.env.new
    sync deploy/.env.new
    mv deploy/.env.new deploy/.env
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
    AUTH_OPERATOR_KEY) fail "$name never changes: every second factor derives from it" ;;
    *) fail "$name: docs/operations/secrets.md says how it is changed" ;;
    esac
done

users=() on_bus=false
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
    esac
    write_value "$name" "$value"
    if [[ -d deploy/secrets.values ]]; then deploy/write_secret_files.sh; fi
done
if $on_bus; then "${compose[@]}" run --rm -T kafka-init; fi # sets every password of the bus anew
mapfile -t users < <(printf '%s\n' "${users[@]}" | sort --unique | sed '/^$/d')
if ((${#users[@]})); then # a file that has changed is no reason for Compose to make a container anew
    "${compose[@]}" up --detach --force-recreate --wait --wait-timeout 300 --no-deps "${users[@]}"
fi
echo "changed: $*. Back up deploy/.env."
