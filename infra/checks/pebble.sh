# Sourced: what Debian's pebble, a real ACME server, does not bring with it.

# FOLDER ADDRESS: a certificate for its own interface, in FOLDER/api.pem and api.key, and who vouches for it, in api-ca.pem.
issuer_certificate() (
	cd "$1"
	exec 2>openssl.log
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout api-ca.key -out api-ca.pem -subj "/CN=check" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign &&
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout api.key -out api.csr -subj "/CN=localhost" &&
		printf 'subjectAltName=DNS:localhost,%s\nextendedKeyUsage=serverAuth\n' "$2" >api.ext &&
		openssl x509 -req -in api.csr -CA api-ca.pem -CAkey api-ca.key -CAcreateserial -days 2 -extfile api.ext -out api.pem
)

pebble_or_skip() {
	command -v pebble >/dev/null && command -v pebble-challtestsrv >/dev/null && return
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || skip "pebble, an ACME server, is not here, and to install it takes root and apt"
	{ apt-get update -q && apt-get install -q -y --no-install-recommends pebble; } >/dev/null 2>&1 || skip "pebble cannot be installed"
}

# FOLDER: its root, new at each start, in FOLDER/roots.pem. ADDRESS: where its own interface is.
pebble_roots() {
	for _ in $(seq 100); do
		SSL_CERT_FILE="$1/api-ca.pem" .venv/bin/python -c \
			'import sys, urllib.request; print(urllib.request.urlopen(f"https://{sys.argv[1]}:15000/roots/0").read().decode())' "$2" \
			>"$1/roots.pem" 2>/dev/null && return
		sleep 0.1
	done
	return 1
}
