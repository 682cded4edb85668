#!/usr/bin/env bash
# Everything that a Callbridge in containers cannot make anew, in one file: database, settings with their keys, DATA_DIR.
#   infra/backup.sh [FOLDER]     default ./backups
# The server goes on meanwhile. The file holds secrets: keep it where they are safe.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."
. infra/compose.sh
folder=${1:-backups}
name=callbridge-$(date -u +%Y%m%dT%H%M%SZ)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder" "$work/$name"

compose exec -T db sh -c 'pg_dump --format=custom -U "$POSTGRES_USER" "$POSTGRES_DB"' >"$work/$name/database.dump"
# tar's 1: a file, such as a recording, grew meanwhile.
compose exec -T "app-$(chosen)" sh -c 'tar -C /data --exclude=./lock --exclude=./running.json -cf - . || [ $? = 1 ]' >"$work/$name/data.tar"
cp "$settings" "$work/$name/settings.env"
tar -C "$work" -czf "$folder/$name.tar.gz.part" "$name"
mv "$folder/$name.tar.gz.part" "$folder/$name.tar.gz"
echo "$folder/$name.tar.gz"
