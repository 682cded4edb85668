# Sourced by infra/checks/containers, which has an engine and images: a machine with nothing but a Debian on it, for which a root file
# system with processes, network and mounts of its own stands in, becomes a server by infra/install.sh alone. Its certificate is from a
# real ACME server, the call on it is simulated. Such a machine runs no systemd.
machine_network=10.203.72
name=callbridge.example.test

on_machine() (
	# Not from a folder that it does not have.
	cd / && nsenter --target "$machine" --all --root sh -c 'cd /opt/callbridge && exec env -i PATH="$PATH" HOME=/root "$@"' sh "$@"
)

start_machine() {
	local root=$work/machine container
	mkdir -p "$root"
	container=$(docker create "$PYTHON_IMAGE" true)
	docker export "$container" | tar -x -C "$root"
	docker rm "$container" >/dev/null
	cp /etc/resolv.conf "$root/etc/"
	ip netns add callbridge-check
	ip link add cb-machine type veth peer name eth0 netns callbridge-check
	ip address add "$machine_network.1/24" dev cb-machine
	ip link set cb-machine up
	ip -n callbridge-check address add "$machine_network.2/24" dev eth0
	ip -n callbridge-check link set eth0 up
	ip -n callbridge-check link set lo up
	ip -n callbridge-check route add default via "$machine_network.1"
	nat -A
	# Its first process; what is mounted and started in there ends with it.
	nsenter --net=/run/netns/callbridge-check unshare --mount --pid --uts --ipc --fork --kill-child sh -c "
		mount --bind $root $root; mount -t proc proc $root/proc; mount --rbind /sys $root/sys; mount --rbind /dev $root/dev
		mount -t tmpfs tmpfs $root/run; hostname voice; mkdir $root/.old; cd $root && pivot_root . .old &&
		exec chroot . sh -c 'umount -l /.old; exec sleep infinity'" &
	outside=$!
	until machine=$(pgrep -P "$outside" -x sleep); do sleep 0.1; done
	mkdir -p "$root/opt/callbridge" "$root/opt/check/global.d" "$root/etc/docker"
	# Limits that this machine's own engine needs as well.
	echo '{"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 20000, "Hard": 20000}}, "oom-score-adjust": 0}' >"$root/etc/docker/daemon.json"
	# A container may not raise them, which is what Docker's start script does first.
	echo 'ulimit() { :; }' >"$root/etc/default/docker"
	echo 'Dpkg::Options { "--force-confold"; };' >"$root/etc/apt/apt.conf.d/check"
	printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$root/etc/pip.conf"
	git ls-files -z | tar --null -T - -c 2>/dev/null | tar -x -C "$root/opt/callbridge"
}

nat() { # -A or -D
	iptables "$1" FORWARD -s "$machine_network.0/24" -j ACCEPT
	iptables "$1" FORWARD -d "$machine_network.0/24" -j ACCEPT
	iptables -t nat "$1" POSTROUTING -s "$machine_network.0/24" ! -d "$machine_network.0/24" -j MASQUERADE
}

stop_machine() {
	[ -n "${outside:-}" ] || return 0
	on_machine sh -c 'for file in /run/docker.pid /var/run/docker.pid; do [ -s $file ] && kill $(cat $file); done; sleep 1' 2>/dev/null
	kill -KILL "${machine:-$outside}" 2>/dev/null
	wait "$outside" 2>/dev/null
	nat -D 2>/dev/null
	ip netns delete callbridge-check
	[ -z "${issuer:-}" ] || kill $issuer 2>/dev/null
	[ -z "${simulator:-}" ] || kill "$simulator" 2>/dev/null
}

start_issuer() {
	pebble_or_skip
	issuer_certificate "$work" "IP:$machine_network.1" || { cat "$work/openssl.log"; exit 1; }
	printf '{"pebble": {"listenAddress": "%s:14000", "managementListenAddress": "%s:15000", "certificate": "%s/api.pem", "privateKey": "%s/api.key",
		"httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": false}}' \
		"$machine_network.1" "$machine_network.1" "$work" "$work" >"$work/pebble.json"
	pebble-challtestsrv -dns01 "$machine_network.1:8053" -management "$machine_network.1:8055" -http01 "" -https01 "" -tlsalpn01 "" \
		-defaultIPv4 "$machine_network.2" -defaultIPv6 "" >"$work/dns.log" 2>&1 &
	issuer=$!
	PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 pebble -config "$work/pebble.json" -dnsserver "$machine_network.1:8053" \
		>"$work/pebble.log" 2>&1 &
	issuer+=" $!"
	pebble_roots "$work" "$machine_network.1" || { cat "$work/pebble.log"; exit 1; }
	cp "$work/roots.pem" "$work/api-ca.pem" "$work/machine/opt/check/"
}

# What differs from a rented machine: whom to trust, a name that no DNS knows, images that cannot be pulled.
settings_of_machine() {
	local check=$work/machine/opt/check
	echo "acme_ca_root /pebble/api-ca.pem" >"$check/global.d/check.caddy"
	cat >"$check/compose.yaml" <<-YAML
		services:
		  app-a:
		    environment: {SSL_CERT_FILE: /pebble/roots.pem}
		    volumes: ["/opt/check/roots.pem:/pebble/roots.pem:ro"]
		    extra_hosts: ["$name:$machine_network.2"]
		  caddy:
		    volumes: ["/opt/check/global.d:/etc/caddy/global.d:ro", "/opt/check/api-ca.pem:/pebble/api-ca.pem:ro"]
	YAML
	chmod -R a+rX "$check"
	cat >"$work/machine/opt/callbridge/.env" <<-ENV
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
	on_machine COMPOSE_FILES=/opt/check/compose.yaml OPENAI_API_KEY=sk-only-for-this-check TWILIO_AUTH_TOKEN=only-for-this-check \
		TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001 "$@" infra/install.sh </dev/null >"$work/machine.log" 2>&1
}

# For the doctor, which opens a model session and asks Twilio.
start_simulator() {
	.venv/bin/python -c '
import asyncio, sys
from simulator.simulator import Simulator
async def main() -> None:
    async with Simulator(auth_token=sys.argv[2], openai_api_key="sk-" + sys.argv[2], host=sys.argv[1], port=9101):
        await asyncio.Event().wait()
asyncio.run(main())' "$machine_network.1" only-for-this-check >"$work/simulator.log" 2>&1 &
	simulator=$!
}

empty_machine() {
	local began
	. infra/checks/pebble.sh
	start_machine
	! on_machine sh -c 'command -v docker' >/dev/null || { echo "wrong  the machine is not empty"; exit 1; }
	install_on_machine && { echo "wrong  installed without a host name"; exit 1; }
	grep -q "^SITE_ADDRESS is missing" "$work/machine.log" || { tail -20 "$work/machine.log"; exit 1; }
	step "infra/install.sh installed $(on_machine docker --version), and asks for a host name"
	start_issuer
	docker save "$PYTHON_IMAGE" "$POSTGRES_IMAGE" "$CADDY_IMAGE" | on_machine docker load -q >/dev/null
	settings_of_machine
	start_simulator
	began=$SECONDS
	install_on_machine SITE_ADDRESS="$name" || {
		tail -30 "$work/machine.log"
		on_machine sh -c 'docker ps -a; docker logs --tail 20 callbridge-db-1; docker exec callbridge-db-1 sh -c "ls -la /tmp; id; pg_isready -h 127.0.0.1; pg_isready"; docker inspect --format "{{json .State.Health}}" callbridge-db-1' 2>&1
		exit 1
	}
	grep -E "^ +(ok|wrong) " "$work/machine.log"
	step "infra/install.sh ended well, $((SECONDS - began)) s after it had a host name; images were loaded beforehand"
	kill "$simulator" && wait "$simulator" 2>/dev/null || true
	printf '127.0.0.1 localhost\n%s.2 %s\n' "$machine_network" "$name" >"$work/hosts"
	SSL_CERT_FILE="$work/roots.pem" unshare --mount sh -c "mount --bind $work/hosts /etc/hosts &&
		exec .venv/bin/python -m infra.checks.containers https://$name $machine_network.1 9101 0"
}
