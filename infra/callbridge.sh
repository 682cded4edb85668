#!/usr/bin/env bash
# The `callbridge` command inside the running container: infra/callbridge.sh doctor, … agents list, … keys create …
set -euo pipefail
cd "$(dirname "$0")/.."
. infra/compose.sh
terminal=()
[ -t 0 ] || terminal=(-T)
compose exec "${terminal[@]}" "app-$(chosen)" callbridge "$@"
