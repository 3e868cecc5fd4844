#!/bin/bash
# Back up the installation of docker-compose.yml while it runs, verify a backup, restore one: docs/operations/backup.md.
#
#   deploy/backup.sh take FOLDER            a new folder: one snapshot of all databases, then the objects
#   deploy/backup.sh verify FOLDER          whether it is whole
#   deploy/backup.sh restore FOLDER [--yes] puts both back, makes the log anew, and declares what was done;
#                                           interrupted, it is run again
#
# The log is in no backup: every event lies in the database of the service that wrote it, byte for byte, and is
# committed there before it is published. A copy of the log could only be newer or older than that snapshot.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077

readonly FORMAT=solekey-compose-backup/1
compose=(docker compose --env-file deploy/.env)
mapfile -t services < <(sed --quiet 's/^\([A-Z]*\)_DATABASE_PASSWORD=.*/\L\1/p' deploy/.env)

fail() {
    echo "backup.sh: $*" >&2
    exit 1
}

# Run a program in a container of its own, with this standard input, and without starting anything else.
run() { "${compose[@]}" run --rm -T --no-deps "$@"; }
in_postgres() { "${compose[@]}" exec -T postgres "$@"; }

take() {
    local target=$1 draft=$1.partial
    [[ ! -e $target ]] || fail "$target exists: a backup is never written over"
    rm --recursive --force "$draft"
    mkdir --parents "$draft"
    local as_of
    as_of=$(in_postgres psql --username postgres --dbname solekey --no-align --tuples-only --command \
        "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
    in_postgres pg_dump --username postgres --dbname solekey --format custom >"$draft/database.dump"
    # After the databases: an object is stored before a row names it, and outlives its last row by its grace time.
    run vault tar --create --directory /var/lib/solekey objects >"$draft/objects.tar" ||
        [[ $? == 1 ]] # a file was deleted, or had not got its name yet, while tar came to it
    (
        cd "$draft"
        printf '%s\nas-of %s\n' "$FORMAT" "$as_of"
        sha256sum database.dump objects.tar
    ) >"$draft/manifest.new"
    sync "$draft"/*
    mv "$draft/manifest.new" "$draft/manifest"
    mv --no-target-directory "$draft" "$target"
    echo "$target: made; as of $as_of, $(du --summarize --human-readable "$target" | cut --fields 1)"
    echo "Keep deploy/.env elsewhere: without its operator key nobody can log in to what is restored." >&2
}

verify() {
    local folder=$1
    [[ -f $folder/manifest ]] || fail "$folder is no whole backup: it has no manifest"
    [[ $(sed --quiet 1p "$folder/manifest") == "$FORMAT" ]] || fail "$folder: of another format"
    as_of=$(sed --quiet '2s/^as-of //p' "$folder/manifest")
    (cd "$folder" && tail --lines +3 manifest | sha256sum --check --strict --quiet) || fail "$folder is damaged"
    [[ $(tail --lines +3 "$folder/manifest" | wc --lines) == 2 ]] || fail "$folder: its manifest is damaged"
    echo "$folder: whole; as of $as_of"
}

confirm() {
    [[ ${1:-} != --yes ]] || return 0
    [[ -t 0 ]] || fail "restore: nothing was changed: nobody can be asked here; --yes agrees beforehand"
    read -r -p "Replace the databases and the log of this installation by those of $as_of? [y/N] " answer
    [[ $answer == [yY]* ]] || fail "restore: nothing was changed"
}

# Write down as SQL what an earlier restoration withdrew: the log that was made then knows nothing of it.
list_withdrawn() {
    in_postgres psql --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname solekey --no-align --tuples-only \
        --command "
        SELECT format('INSERT INTO auth.barred_devices VALUES (%L, %L) ON CONFLICT DO NOTHING;', account, device)
            FROM auth.barred_devices
        UNION ALL SELECT format('DELETE FROM auth.recovery_codes WHERE account = %L;', account)
            FROM auth.credentials WHERE account NOT IN (SELECT account FROM auth.recovery_codes)
            AND EXISTS (SELECT FROM auth.foundations WHERE name LIKE 'restored:%')"
}

restore_databases() {
    # One transaction: all of it, or nothing.
    in_postgres bash -c '
        set -euo pipefail
        {
            echo "BEGIN;"
            printf "DROP SCHEMA IF EXISTS \"%s\" CASCADE;\n" "$@"
            pg_restore --file=-
            echo "COMMIT;"
        } | psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname solekey >/dev/null
    ' restore "${services[@]}" <"$1/database.dump"
}

# Put the log aside, one file a broker, for it is evidence, unless that was done; begin a new one.
replace_log() {
    local brokers broker file project volumes
    mapfile -t brokers < <("${compose[@]}" config --services | grep --extended-regexp '^kafka(-[0-9]+)?$')
    "${compose[@]}" stop "${brokers[@]}"
    for broker in "${brokers[@]}"; do
        file=$1
        [[ $broker == kafka ]] || file=${1%.tar}.$broker.tar
        if [[ ! -e $file ]]; then
            run --entrypoint tar "$broker" --create --directory /var/lib/kafka data >"$file.partial"
            sync "$file.partial"
            mv "$file.partial" "$file"
        fi
    done
    "${compose[@]}" rm --force --stop "${brokers[@]}" kafka-init
    project=$("${compose[@]}" config --format json | sed --quiet 's/^  "name": "\(.*\)",\?$/\1/p')
    for broker in "${brokers[@]}"; do # the volume of each has its name
        mapfile -t volumes < <(docker volume ls --quiet --filter "label=com.docker.compose.project=$project" \
            --filter "label=com.docker.compose.volume=$broker")
        ((!${#volumes[@]})) || docker volume rm "${volumes[@]}" >/dev/null # none: interrupted here before
    done
    "${compose[@]}" run --rm -T kafka-init
}

restore() {
    local folder=${1%/} service log
    local withdrawn=$folder.withdrawn
    local secured=$folder.secured # there while a restoration is under way that needs the log of before no more
    verify "$folder"
    if [[ -e $secured ]]; then
        echo "Going on with a restoration that was interrupted: the databases are those of the backup already." >&2
        echo "To begin anew instead, delete $secured first." >&2
    fi
    confirm "${2:-}"
    "${compose[@]}" stop proxy "${services[@]}"
    "${compose[@]}" up --detach --wait postgres
    if [[ ! -e $secured ]]; then
        "${compose[@]}" run --rm -T kafka-init # with the log of before, or an empty one on a new machine
        if [[ ! -e $withdrawn ]]; then
            list_withdrawn >"$withdrawn.new" || # the database may be why there is a restoration
                echo "Not read: what an earlier restoration withdrew; it is as in the backup." >&2
            mv "$withdrawn.new" "$withdrawn"
        fi
        restore_databases "$folder"
        in_postgres psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --single-transaction --username postgres \
            --dbname solekey <"$withdrawn"
        run vault tar --extract --directory /var/lib/solekey <"$folder/objects.tar"
        # The operator key may have been changed since: deploy/.env has the one of the backup then, too.
        SOLEKEY_FORMER_OPERATOR_KEY=$(sed --quiet 's/^AUTH_FORMER_OPERATOR_KEY=//p' deploy/.env) \
            run --env SOLEKEY_FORMER_OPERATOR_KEY auth python -m solekey_auth secure-restored --yes </dev/null
        echo "$folder.log-until-$(date --utc +%Y%m%dT%H%M%SZ).tar" >"$secured.new"
        sync "$secured.new"
        mv "$secured.new" "$secured"
    fi
    log=$(<"$secured")
    replace_log "$log"
    for service in "${services[@]}"; do
        run "$service" sh -ec "
            python -m solekey_$service declare-restored --as-of $as_of --new-log
            python -m solekey_$service republish" </dev/null
    done
    "${compose[@]}" up --detach --wait --wait-timeout 300
    rm "$secured" "$withdrawn" # from here on another restoration is one of its own: users write again
    run vault python -m solekey_vault check-objects --collect </dev/null
    echo "restored to $as_of; the log of before is in $log"
}

usage() {
    sed --quiet 's/^#   //p' "$0" >&2
    exit 2
}

case ${1:-}:$# in
take:2 | verify:2) "$1" "${2%/}" ;;
restore:2) restore "$2" ;;
restore:3) [[ $3 == --yes ]] || usage; restore "$2" --yes ;;
*) usage ;;
esac
