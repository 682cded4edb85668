# Sourced by infra/checks/containers, which has an engine and images: a machine with nothing but a Debian on it, for which a container
# stands in, becomes a server by infra/install.sh alone. Its certificate is from a real ACME server, the call on it is simulated.
machine=callbridge-check-machine
machine_network=10.203.72
name=callbridge.example.test

on_machine() { docker exec -i -w /opt/callbridge "$machine" "$@"; }

start_machine() {
	docker network create --subnet "$machine_network.0/24" "$machine" >/dev/null
	# A file system below that is no overlay; limits that this machine's own engine needs as well.
	docker run -d --privileged --name "$machine" --hostname voice --network "$machine" --ip "$machine_network.2" \
		-v "$work/machine:/var/lib/docker" -e PIP_CERT=/etc/ssl/certs/ca-certificates.crt "$PYTHON_IMAGE" sleep infinity >/dev/null
	docker exec -i "$machine" sh -c 'mkdir -p /opt/callbridge /opt/check/global.d /etc/docker && cat >/etc/docker/daemon.json' <<-JSON
		{"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 20000, "Hard": 20000}}, "oom-score-adjust": 0}
	JSON
	git ls-files -z | tar --null -T - -c 2>/dev/null | docker exec -i "$machine" tar -x -C /opt/callbridge
}

start_issuer() {
	pebble_or_skip
	issuer_certificate "$work" "IP:$machine_network.1" || { cat "$work/openssl.log"; exit 1; }
	printf '{"pebble": {"listenAddress": "%s:14000", "managementListenAddress": "%s:15000", "certificate": "%s/api.pem", "privateKey": "%s/api.key",
		"httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": false}}' \
		"$machine_network.1" "$machine_network.1" "$work" "$work" >"$work/pebble.json"
	pebble-challtestsrv -dns01 "$machine_network.1:8053" -management "$machine_network.1:8055" -http01 "" -https01 "" -tlsalpn01 "" \
		-defaultIPv4 "$machine_network.2" -defaultIPv6 "" >"$work/dns.log" 2>&1 &
	pebble=$!
	PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 pebble -config "$work/pebble.json" -dnsserver "$machine_network.1:8053" \
		>"$work/pebble.log" 2>&1 &
	pebble+=" $!"
	pebble_roots "$work" "$machine_network.1" || { cat "$work/pebble.log"; exit 1; }
	docker cp -q "$work/roots.pem" "$machine:/opt/check/roots.pem" 2>/dev/null || docker cp "$work/roots.pem" "$machine:/opt/check/roots.pem"
	docker cp "$work/api-ca.pem" "$machine:/opt/check/api-ca.pem"
}

# What differs from a rented machine: whom to trust, a name that no DNS knows, images that cannot be pulled.
settings_of_machine() {
	on_machine sh -c 'echo "acme_ca_root /pebble/api-ca.pem" >/opt/check/global.d/check.caddy; chmod -R a+rX /opt/check; cat >/opt/check/compose.yaml' <<-YAML
		services:
		  app-a:
		    environment: {SSL_CERT_FILE: /pebble/roots.pem}
		    volumes: ["/opt/check/roots.pem:/pebble/roots.pem:ro"]
		    extra_hosts: ["$name:$machine_network.2"]
		  caddy:
		    volumes: ["/opt/check/global.d:/etc/caddy/global.d:ro", "/opt/check/api-ca.pem:/pebble/api-ca.pem:ro"]
	YAML
	on_machine sh -c 'umask 077; cat >.env' <<-ENV
		ACME_CA=https://$machine_network.1:14000/dir
		ADMIN_API_KEY=only-for-this-check
		OPENAI_BASE_URL=http://$machine_network.1:9101/v1
		TWILIO_API_BASE_URL=http://$machine_network.1:9101
		PYTHON_IMAGE=$PYTHON_IMAGE
		POSTGRES_IMAGE=$POSTGRES_IMAGE
		CADDY_IMAGE=$CADDY_IMAGE
	ENV
}

install_on_machine() {
	on_machine env COMPOSE_FILES=/opt/check/compose.yaml OPENAI_API_KEY=sk-only-for-this-check TWILIO_AUTH_TOKEN=only-for-this-check \
		TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001 "$@" infra/install.sh </dev/null >"$work/machine.log" 2>&1
}

empty_machine() {
	. infra/checks/pebble.sh
	start_machine
	! on_machine sh -c 'command -v docker' >/dev/null || { echo "wrong  the machine is not empty"; exit 1; }
	install_on_machine && { echo "wrong  installed without a host name"; exit 1; }
	grep -q "^SITE_ADDRESS is missing" "$work/machine.log" || { tail -20 "$work/machine.log"; exit 1; }
	echo "ok     infra/install.sh installed $(on_machine docker --version), and asks for a host name"
	start_issuer
	docker save "$PYTHON_IMAGE" "$POSTGRES_IMAGE" "$CADDY_IMAGE" | docker exec -i "$machine" docker load -q >/dev/null
	settings_of_machine
	SECONDS_BEFORE=$SECONDS
	start_simulator_for_doctor
	install_on_machine SITE_ADDRESS="$name" || { tail -30 "$work/machine.log"; exit 1; }
	grep -E "^ +(ok|wrong) " "$work/machine.log"
	echo "ok     infra/install.sh ended well after $((SECONDS - SECONDS_BEFORE)) s, images loaded beforehand"
	kill "$simulator" && wait "$simulator" 2>/dev/null || true
	printf '127.0.0.1 localhost\n%s.2 %s\n' "$machine_network" "$name" >"$work/hosts"
	SSL_CERT_FILE="$work/roots.pem" unshare --mount sh -c "mount --bind $work/hosts /etc/hosts &&
		exec .venv/bin/python -m infra.checks.containers https://$name $machine_network.1 9101 0"
}

# It opens a model session and asks Twilio.
start_simulator_for_doctor() {
	.venv/bin/python -c '
import asyncio, sys
from simulator.simulator import Simulator
async def main() -> None:
    async with Simulator(auth_token=sys.argv[2], openai_api_key="sk-" + sys.argv[2], host=sys.argv[1], port=9101):
        await asyncio.Event().wait()
asyncio.run(main())' "$machine_network.1" only-for-this-check >"$work/simulator.log" 2>&1 &
	simulator=$!
}
