#!/usr/bin/env bash
# Lets a new server take the place of the one that runs, without losing a call: the new one is made from what is here now and started
# beside it, new calls go to it, calls that are up finish on the old one or, after DRAIN_LIMIT seconds, are moved; then the old one ends.
#   git pull && infra/upgrade.sh
# If the new one does not become ready, or dies meanwhile, the old one goes on as before. Run it again at any time, also after it was
# interrupted.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."
# How servers are started here: containers, else systemd; SERVERS names another file.
if [ -z "${SERVERS:-}" ]; then
	SERVERS=infra/servers/compose.sh
	[ -f "${CALLBRIDGE_ENV:-.env}" ] || ! systemctl cat callbridge@ >/dev/null 2>&1 || SERVERS=infra/servers/systemd.sh
fi
. "$SERVERS"
DRAIN_LIMIT=${DRAIN_LIMIT:-600}
other() { if [ "$1" = a ]; then echo b; else echo a; fi; }
is_draining() { in_server "$1" drain --status --json 2>/dev/null | grep -q '"draining": true'; }

old=$(chosen)
if runs "$old" && runs "$(other "$old")"; then
	# Interrupted before: whichever is on its way out goes on so.
	if is_draining "$(other "$old")"; then old=$(other "$old"); fi
elif runs "$(other "$old")"; then
	old=$(other "$old")
fi
new=$(other "$old")

if ! runs "$old"; then
	echo "No server runs: starting server $old."
	prepare "$old"
	start "$old" || { say_why "$old"; exit 1; }
	choose "$old"
	exit 0
fi

roll_back() {
	trap - EXIT
	echo "$1 Server $old goes on as before." >&2
	in_server "$old" drain --cancel >&2 || true
	say_why "$new"
	stop "$new" >&2 || true
	exit 1
}
began=$SECONDS
step() { printf '%4d s  %s\n' "$((SECONDS - began))" "$*"; }

prepare "$new" || { echo "Server $new cannot be made: nothing has changed." >&2; exit 1; }
step "server $new is made"
start "$new" || roll_back "Server $new does not become ready."
is_ready "$new" || roll_back "Server $new is not ready."
step "server $new is ready beside server $old"

trap 'roll_back "Interrupted."' INT TERM
in_server "$old" drain --timeout "$DRAIN_LIMIT" &
draining=$!
while kill -0 "$draining" 2>/dev/null; do
	is_ready "$new" || { sleep 3; is_ready "$new"; } || { kill "$draining" 2>/dev/null; roll_back "Server $new died."; }
	sleep 1
done
if wait "$draining"; then step "server $old has no calls left"; else step "server $old has calls left, which are moved as it ends"; fi
is_ready "$new" || roll_back "Server $new died."
trap - INT TERM
choose "$new"
stop "$old"
step "server $new has taken the place of server $old"
