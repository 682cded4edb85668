#!/usr/bin/env bash
# Puts back what infra/backup.sh saved, in place of what is there now.
#   infra/restore.sh FILE --yes
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."
[ $# = 2 ] && [ "$2" = --yes ] && [ -f "$1" ] || {
	echo "infra/restore.sh FILE --yes     replaces the database and the settings that are here now" >&2
	exit 2
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$work" --strip-components=1 -xzf "$1"
for part in database.dump data.tar settings.env; do
	[ -s "$work/$part" ] || { echo "$1 is not a backup: $part is not in it." >&2; exit 1; }
done

settings=${CALLBRIDGE_ENV:-.env}
if [ -f "$settings" ] && ! cmp -s "$settings" "$work/settings.env"; then
	cp "$settings" "$settings.before-restore"
	echo "The settings that were here are in $settings.before-restore."
fi
# A database that exists keeps its password, so it is told the one of the backup.
install -m 0600 "$work/settings.env" "$settings"
. infra/compose.sh
with_both stop app-a app-b 2>/dev/null || true
compose up -d --wait db
password=$(sed -n 's/^POSTGRES_PASSWORD=//p' "$settings")
compose exec -T -e NEW_PASSWORD="$password" db sh -c '
	psql -q -U "$POSTGRES_USER" -d postgres -v ON_ERROR_STOP=1 -v password="$NEW_PASSWORD" -v name="$POSTGRES_USER" <<SQL
alter role :"name" password :'"'password'"';
SQL
	dropdb -U "$POSTGRES_USER" --maintenance-db postgres --if-exists --force "$POSTGRES_DB"
	createdb -U "$POSTGRES_USER" --maintenance-db postgres "$POSTGRES_DB"'
compose exec -T db sh -c 'pg_restore --exit-on-error --no-owner -U "$POSTGRES_USER" -d "$POSTGRES_DB"' <"$work/database.dump"
compose run --rm -T --no-deps --entrypoint tar "app-$(chosen)" -C /data -xf - <"$work/data.tar"
compose up -d --wait
echo "Restored. What is now there answers at its PUBLIC_URL: infra/callbridge.sh doctor"
