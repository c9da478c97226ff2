#!/bin/sh
# Runs once, when the database's folder is empty: the owner, its database, and the three limited roles.
# What each role may do is granted later, by the one-shot service `prepare`.
set -eu

make_role() {
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        --set name="$1" --set password="$(cat "/run/secrets/$2")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
SQL
}

make_role bursar owner_password
make_role bursar_gateway gateway_password
make_role bursar_console console_password
make_role bursar_worker worker_password
createdb --username "$POSTGRES_USER" --owner bursar bursar
