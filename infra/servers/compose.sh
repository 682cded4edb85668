# Sourced by infra/upgrade.sh: the two servers as containers app-a and app-b of infra/compose.yaml.
. infra/compose.sh
prepare() { with_both build -q "app-$1"; }
runs() { [ -n "$(with_both ps -q --status running "app-$1" 2>/dev/null)" ]; }
start() { with_both up -d --no-deps --wait --wait-timeout 120 "app-$1"; }
is_ready() { with_both exec -T "app-$1" python -c 'import os, urllib.request
urllib.request.urlopen("http://127.0.0.1:" + os.environ["PORT"] + "/readyz", timeout=3)' >/dev/null 2>&1; }
in_server() { local server=$1; shift; with_both exec -T "app-$server" callbridge "$@"; }
stop() { with_both stop "app-$1" && with_both rm -f "app-$1" >/dev/null; }
say_why() { with_both logs --no-color --tail 20 "app-$1" >&2; }
choose() {
	{ sed '/^COMPOSE_PROFILES=/d' "$settings"; echo "COMPOSE_PROFILES=$1"; } >"$settings.new"
	mv "$settings.new" "$settings"
}
