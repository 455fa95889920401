#!/bin/sh
# Becomes the given command, with the secret files that are meant to be settings in its environment:
# /run/secrets/INNKEEPER_DATABASE_URL becomes the variable of that name. So no secret is an argument or part of
# the container's configuration. Other secrets (tokens of Proxmox VE) are read by Innkeeper itself.
set -eu

for file in "${SECRETS_DIR:-/run/secrets}"/*; do
    name=${file##*/}
    case $name in
        INNKEEPER_*[!A-Z0-9_]*) ;;
        INNKEEPER_* | FLOWER_BASIC_AUTH)
            value=$(cat "$file")
            export "$name=$value"
            ;;
    esac
done

exec "$@"
