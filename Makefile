# `make` alone prints what can be done. Everything is installed into the clone; nothing needs root.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
# The first Python on this machine that is new enough; PYTHON=/path/to/python names one.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
endif

.PHONY: help run test audit lint format unit lines speech chaos chaos-quick bench bench-quick bench-leaks bench-slots lock measure-start measure-heard soak test-caddy test-acme test-upgrade test-machines test-containers test-speech clean

help: ## print this
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.run ## install what is missing, then start a server with practice stand-ins
	@exec $(BIN)/callbridge dev

test: .venv/.test lint ## every check that needs only Python, git and make
	$(BIN)/pytest -q -n 4 --dist worksteal

lint: .venv/.test ## style, types, who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

unit: .venv/.test ## the tests that need nothing, in seconds
	$(BIN)/pytest -q tests/unit

format: .venv/.test ## put the code into shape
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

test-caddy: .venv/.test ## the Caddyfile with a real Caddy: requests, sockets, streams, what is not public
	@infra/checks/caddy

test-acme: .venv/.test ## a certificate obtained and renewed by the Caddyfile alone, with calls on it
	@infra/checks/acme

test-upgrade: .venv/.test ## a new server takes the place of the old one, with 50 calls on
	@infra/checks/upgrade

test-machines: .venv/.test ## two machines behind a load balancer, one of them killed with calls on
	@infra/checks/machines

test-containers: .venv/.test ## builds the image and brings the compose file up, where an engine is to be had
	@infra/checks/containers

lines: ## speak what is said when the model cannot, where `make run` and `make test` did not
	@python=$(BIN)/python; $$python -c 'import hibari' 2>/dev/null || { \
		python=.venv-lines/bin/python; [ -x $$python ] || $(PYTHON) -m venv .venv-lines && \
		$$python -m pip install -q --no-deps --require-hashes -r requirements/lines.lock; } && $$python -m lines

audit: ## known holes in what we depend on, by PyPI's advisories
	@infra/checks/audit

speech: .venv/.speech ## teach the practice model to understand real speech: 400 MB more

test-speech: .venv/.test ## a spoken call whose words are recognised, where the recogniser is to be had
	@infra/checks/speech

measure-start: ## seconds and megabytes of a first and a second start from a fresh clone
	@$(PYTHON) bench/first_start.py

measure-heard: .venv/.test ## how well it is known what the caller heard of an interrupted answer
	@$(BIN)/python -m bench.heard

soak: .venv/.test ## fifty phones call for two minutes (SOAK_SECONDS): no error, no lost line, nothing left over
	@$(BIN)/python -m bench.soak --seconds $(or $(SOAK_SECONDS),120)

chaos: .venv/.test ## 500 faults in ten minutes of calls: sockets, processes, Postgres, disk; writes docs/reliability.md
	@$(BIN)/python -m bench.chaos --write

chaos-quick: .venv/.test ## the same for a minute; writes nothing
	@$(BIN)/python -m bench.chaos --seconds 60 --phones 12

bench: .venv-bench/.ready ## the bridge beside Node, C and plain Litestar, all features on; wants two idle cores, 25 minutes
	@.venv-bench/bin/python -m bench.run --write

bench-quick: .venv-bench/.ready ## the same in 10 minutes; writes nothing
	@.venv-bench/bin/python -m bench.run --quick

bench-leaks: .venv/.bench ## a minute of calls coming and going: fails on memory, files or model sessions left behind
	@$(BIN)/python -m bench.run --leaks

bench-slots: .venv/.bench ## 1,000 calls over 4 processes: does every stream land where its model session waits?
	@$(BIN)/python -m bench.slots

# Litestar asks for them to make up examples, which it is never asked for here: 25 MB.
UNUSED := --no-emit-package faker --no-emit-package polyfactory

lock: ## requirements/*.lock anew from pyproject.toml; UPGRADE=1 takes the newest versions
	@test -n "$(UV)" || { $(PYTHON) -m venv .venv-tools && .venv-tools/bin/pip install -q 'uv>=0.9'; }
	@for lock in 'serve:' 'run:--group practice' 'test:--group practice --group test'; do \
		$(or $(UV),.venv-tools/bin/uv) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate $(UNUSED) $(if $(UPGRADE),--upgrade) pyproject.toml $${lock#*:} -o requirements/$${lock%%:*}.lock || exit 1; done
	@$(or $(UV),.venv-tools/bin/uv) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		$(if $(UPGRADE),--upgrade) --group pyproject.toml:lines -c requirements/test.lock -o requirements/lines.lock
	@$(or $(UV),.venv-tools/bin/uv) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		$(if $(UPGRADE),--upgrade) --group pyproject.toml:speech -c requirements/test.lock -o requirements/speech.lock
	@$(or $(UV),.venv-tools/bin/uv) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		$(if $(UPGRADE),--upgrade) --group pyproject.toml:bench -c requirements/test.lock -o requirements/bench.lock

clean: ## remove what was installed and made, the practice data too
	rm -rf .venv .venv-bench .venv-tools .venv-lines lines/spoken .callbridge .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.run: requirements/run.lock pyproject.toml
	@$(call install,requirements/run.lock)
	@$(BIN)/python -m lines
	@touch $@

.venv/.test: requirements/test.lock pyproject.toml
	@$(call install,requirements/test.lock)
	@$(BIN)/python -m lines
	@touch .venv/.run $@

.venv/.speech: requirements/speech.lock .venv/.test
	@$(call install,requirements/speech.lock)
	@touch $@

$(VENV)/.bench: requirements/bench.lock $(VENV)/.run
	@$(call install,requirements/bench.lock)
	@touch $@

# With the fastest Python of this machine, which need not be the first.
.venv-bench/.ready: requirements/run.lock requirements/bench.lock pyproject.toml
	@python=$$($(PYTHON) bench/fastest_python.py) && \
		$(MAKE) --no-print-directory VENV=.venv-bench PYTHON="$$python" .venv-bench/.run && \
		$(MAKE) --no-print-directory VENV=.venv-bench PYTHON="$$python" .venv-bench/.bench
	@touch $@

# Hashes are verified either way; pip, which nothing here needs afterwards, goes again: 25 MB.
define install
set -e; \
test -n "$(PYTHON)" || { echo "Callbridge needs Python 3.11 or newer; none was found." >&2; exit 1; }; \
echo "Installing $(1) into $(VENV) ..."; \
if [ -n "$(UV)" ]; then \
	[ -x $(BIN)/python ] || $(PYTHON) -m venv --without-pip $(VENV); \
	$(UV) pip install -q --python $(BIN)/python --require-hashes --no-deps -r $(1); \
	$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation --offline -e .; \
else \
	$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
	export PIP_DISABLE_PIP_VERSION_CHECK=1; \
	$(BIN)/python -m pip install -q --no-compile --no-deps --require-hashes -r $(1); \
	$(BIN)/python -m pip install -q --no-compile --no-deps --no-build-isolation --no-index -e .; \
	$(BIN)/python -m pip uninstall -q -y pip setuptools 2>/dev/null; \
fi
endef
