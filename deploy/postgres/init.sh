#!/bin/bash
# Make one role and one schema for each service whose password is in the environment (AUTH_DATABASE_PASSWORD and so
# on, or AUTH_DATABASE_PASSWORD_FILE, a file that holds it), so that no service can read another's tables.
# PostgreSQL's image runs this once, on an empty data folder.
set -euo pipefail

for file_variable in $(compgen -v | grep '_DATABASE_PASSWORD_FILE$' || true); do
    declare "${file_variable%_FILE}=$(<"${!file_variable}")"
done

for password_variable in $(compgen -v | grep '_DATABASE_PASSWORD$'); do
    service=${password_variable%_DATABASE_PASSWORD}
    service=${service,,}
    # psql reads the password from its environment, so that it stands in no argument list.
    SERVICE=$service PASSWORD=${!password_variable:?} psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 \
        --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv service SERVICE
\getenv password PASSWORD
\set role solekey_ :service
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE SCHEMA :"service" AUTHORIZATION :"role";
ALTER ROLE :"role" SET search_path = :"service";
GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
SQL
done

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
