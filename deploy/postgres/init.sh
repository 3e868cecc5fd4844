#!/bin/bash
# Make one role and one schema a service, so that no service can read another's tables. PostgreSQL's image runs
# this once, on an empty data folder.
set -euo pipefail

for service in auth devices vault rotation; do
    password_variable=${service^^}_DATABASE_PASSWORD
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
