# Sourced from the project's root: `compose` with our file and our settings, by whichever compose is here.
# CALLBRIDGE_ENV names another file than .env; COMPOSE_FILES adds compose files to ours.
settings=${CALLBRIDGE_ENV:-.env}
[ -f "$settings" ] || { echo "$settings is not here: infra/install.sh makes it." >&2; exit 1; }
SETTINGS_FILE=$(realpath "$settings")
export SETTINGS_FILE

compose() {
	local command=(docker compose) file files=(-f infra/compose.yaml)
	docker compose version >/dev/null 2>&1 || command=("${DOCKER_COMPOSE:-docker-compose}")
	for file in ${COMPOSE_FILES:-}; do files+=(-f "$file"); done
	"${command[@]}" ${COMPOSE_PROJECT:+-p "$COMPOSE_PROJECT"} "${files[@]}" --env-file "$settings" "$@"
}

# The same for what may concern the server that is not to run.
with_both() { COMPOSE_PROFILES=a,b compose "$@"; }

# Which of the two servers is to run: a or b.
chosen() {
	local server
	server=$(sed -n 's/^COMPOSE_PROFILES=//p' "$settings" | tail -1)
	echo "${server:-a}"
}
