#!/bin/sh
# What a program needs that an image or a mounted secret cannot give it; then the program takes this process's place.
set -eu
umask 077

# libpq reads no password file that others may read, and the mode of a mounted secret is that of the host's file.
if [ -f /run/secrets/pgpass ]; then
    cp /run/secrets/pgpass "$PGPASSFILE"
fi

# Dagster reads its instance from the folder that it writes to.
if [ -n "${DAGSTER_HOME:-}" ]; then
    mkdir -p "$DAGSTER_HOME"
    cp /app/dagster.yaml "$DAGSTER_HOME/.dagster.yaml.$$"
    mv "$DAGSTER_HOME/.dagster.yaml.$$" "$DAGSTER_HOME/dagster.yaml"
fi

exec "$@"
