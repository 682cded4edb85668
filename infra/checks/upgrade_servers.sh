# Sourced by infra/upgrade.sh in its check: the two servers as processes. CHECK_WORK is a folder; settings are in the environment.
. infra/servers/ports.sh
chosen() { cat "$CHECK_WORK/chosen" 2>/dev/null || echo a; }
choose() { echo "$1" >"$CHECK_WORK/chosen"; }
prepare() { :; }
runs() { kill -0 "$(cat "$CHECK_WORK/$1.pid" 2>/dev/null)" 2>/dev/null; }
server_env() { set -a; . "infra/servers/$1.env"; DATA_DIR="$CHECK_WORK/$1"; set +a; }
start() {
	(
		server_env "$1"
		exec setsid .venv/bin/python -m cli.main serve
	) >>"$CHECK_WORK/$1.log" 2>&1 &
	echo $! >"$CHECK_WORK/$1.pid"
	ready_in_time "$1"
}
in_server() { local server=$1; shift; (server_env "$server"; exec .venv/bin/python -m cli.main "$@"); }
stop() {
	local pid
	pid=$(cat "$CHECK_WORK/$1.pid")
	kill "$pid" 2>/dev/null || return 0
	while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}
say_why() { tail -20 "$CHECK_WORK/$1.log" >&2; }
