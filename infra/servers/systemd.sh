# Sourced by infra/upgrade.sh: the two servers as callbridge@a and callbridge@b, each with code of its own below releases/, so that
# what is pulled here changes nothing that runs. docs/how-to/deploy.md has the steps.
. infra/servers/ports.sh
release() { echo "$PWD/releases/$1"; }
chosen() { if systemctl is-enabled -q callbridge@b 2>/dev/null; then echo b; else echo a; fi; }
prepare() {
	local folder
	folder=$(release "$1")
	mkdir -p "$folder"
	# Of what runs, nothing is written over with something else.
	if [ "$(cat "$folder/.commit" 2>/dev/null)" = "$(git rev-parse HEAD)" ]; then return; fi
	! runs "$1" || { echo "callbridge@$1 runs another release: stop it first." >&2; return 1; }
	rm -rf "$folder" && mkdir -p "$folder"
	git archive HEAD | tar -x -C "$folder"
	"${PYTHON:-python3}" -m venv "$folder/.venv"
	"$folder/.venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/serve.lock
	git rev-parse HEAD >"$folder/.commit"
}
runs() { systemctl is-active -q "callbridge@$1"; }
start() { systemctl start "callbridge@$1" && ready_in_time "$1"; }
in_server() {
	local server=$1
	shift
	# Read as systemd reads them: in the folder with the settings, with the state of that server.
	(set -a && . /etc/callbridge.env && . "infra/servers/$server.env" && DATA_DIR=/var/lib/callbridge-$server &&
		PYTHONPATH=$(release "$server") exec "$(release "$server")/.venv/bin/python" -m cli.main "$@")
}
stop() { systemctl stop "callbridge@$1"; }
say_why() { journalctl -q --no-pager -n 20 -u "callbridge@$1" >&2; }
choose() {
	local other=a
	[ "$1" = a ] && other=b
	systemctl enable -q "callbridge@$1" && systemctl disable -q "callbridge@$other" 2>/dev/null
}
