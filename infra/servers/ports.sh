# Sourced: servers that are reached on this machine, at the ports of their .env files.
port() { sed -n 's/^PORT=//p' "infra/servers/$1.env"; }
is_ready() { python3 -c 'import sys, urllib.request
urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/readyz", timeout=3)' "$(port "$1")" >/dev/null 2>&1; }
ready_in_time() {
	for _ in $(seq 240); do
		is_ready "$1" && return
		runs "$1" || return
		sleep 0.25
	done
	return 1
}
