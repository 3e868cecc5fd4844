#!/bin/bash
# Make a cluster in $PGDATA where there is none, from POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and
# POSTGRES_INITDB_ARGS, or from the files that POSTGRES_USER_FILE and so on name; run
# /docker-entrypoint-initdb.d/* against a server that no network reaches; become the server.
set -Eeuo pipefail

[ "${1:-}" = postgres ] || exec "$@"
for name in POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB POSTGRES_INITDB_ARGS; do # before root becomes another user
    file_name=${name}_FILE
    if [ -n "${!file_name:-}" ]; then
        [ -z "${!name:-}" ] || { echo "both $name and $file_name are set" >&2; exit 1; }
        export "$name=$(<"${!file_name}")"
        unset "$file_name"
    fi
done
if [ "$(id -u)" = 0 ]; then
    install --directory --owner=postgres --group=postgres --mode=0700 "$PGDATA"
    exec gosu postgres "$BASH" "${BASH_SOURCE[0]}" "$@"
fi

make_cluster() {
    local file
    export POSTGRES_USER=${POSTGRES_USER:-postgres}
    export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER} PGPASSWORD=${POSTGRES_PASSWORD:?is not set}
    # shellcheck disable=SC2086 # the arguments are words
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-}
    printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
    if [ "$POSTGRES_DB" != postgres ]; then
        createdb --username "$POSTGRES_USER" "$POSTGRES_DB"
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
            *.sql) psql --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" -f "$file" ;;
        esac
    done
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
}

[ -s "$PGDATA/PG_VERSION" ] || make_cluster
exec "$@"
