#!/bin/bash
# Write each secret of deploy/.env into a file of its own, for deploy/secret-files.yml: docs/operations/secrets.md.
# The folder is the owner's alone; the files in it are readable, because each container has its own user.
# DATABASE_HOST and DATABASE_PORT in the environment say where PostgreSQL is, as for deploy/database.yml.
set -euo pipefail
cd "${SOLEKEY_DEPLOY_FOLDER:-$(dirname "$0")}"
umask 077

folder=secrets.values
address=postgres:5432/solekey
if [[ -n ${DATABASE_HOST:-} ]]; then
    address="$DATABASE_HOST:${DATABASE_PORT:-5432}/solekey?sslmode=verify-full&sslrootcert=/run/secrets/database_ca"
fi
rm -rf "$folder.new"
mkdir -p "$folder.new"
while IFS='=' read -r name value; do
    case $name in
    *_DATABASE_PASSWORD)
        service=${name%%_*} service=${service,,}
        printf 'postgresql+psycopg://solekey_%s:%s@%s' "$service" "$value" "$address" >"$folder.new/${service}_database_url"
        ;;
    *_PASSWORD | *_KEY) ;;
    *) continue ;;
    esac
    printf '%s' "$value" >"$folder.new/${name,,}"
done <.env
chmod 644 "$folder.new"/*
# The same folder, so that what is mounted is what is written: a file is never there by half.
mkdir -p "$folder"
chmod 700 "$folder"
for file in "$folder.new"/*; do
    sync "$file"
    mv "$file" "$folder/"
done
rmdir "$folder.new"
