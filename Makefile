.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: $(VENV)/run ## run the stack without a container
	@exec $(BIN)/python -m control

# Most tests wait most of their time, so several files are under way on each processor. The tests of one share stacks.
WORKERS ?= $(shell echo $$((2 * $$(nproc))))

test: $(VENV)/test ## run all tests
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --durations=40

SECONDS_EACH ?= 300

chaos: $(VENV)/test ## kill, stop and starve programs of a stack under load: make chaos SECONDS_EACH=60
	$(BIN)/python -m tests.chaos --seconds $(SECONDS_EACH)

INPUTS ?= 100000

fuzz: $(VENV)/test ## send generated requests to nginx, the control app and a kernel: make fuzz INPUTS=1000
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS)

lint: $(VENV)/test ## ruff, mypy, shellcheck, nginx -t
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	shellcheck .ci/run .ci/debian-packages .ci/docker-engine
	$(BIN)/pytest -q tests/unit/control/launch/test_launch.py -k nginx_accepts # nginx -t on the rendered file

# Targets for the container. IMAGE, PORT and BIND_ADDRESS can be set on the command line or in .env.

-include .env
IMAGE ?= notebook-api
COMPOSE := docker compose

image: ## build the container image
	docker build --tag $(IMAGE) --build-arg REVISION=$$(git describe --always --dirty 2>/dev/null || echo unknown) .

# $(value …): a $ in the password does not start a make variable.
up: export SECRET = $(value PASSWORD)
up: image ## start the container: make up PASSWORD=…
	@if [ -n "$$SECRET" ]; then \
		mkdir -p .secrets && chmod 700 .secrets && \
		printf %s "$$SECRET" >.secrets/password && chmod 644 .secrets/password; \
	fi
	@# The file is readable for the container's user; no other user of the host can enter its folder.
	@# .env: so that `docker compose` without make uses it too.
	@if [ -e .secrets/password ] && ! grep -qs '^PASSWORD_FILE=' .env; then \
		echo 'PASSWORD_FILE=./.secrets/password' >>.env; \
	fi
	@# Only a new container reads a new password.
	$(COMPOSE) up --detach --wait $(if $(value PASSWORD),--force-recreate) || \
		{ $(print-log); until $(COMPOSE) stop && [ -z "$$($(COMPOSE) ps --quiet)" ]; do :; done; echo 'The container did not start; see the log lines above.'; exit 1; }
	$(print-address)
	@# Printed only if it was generated.
	@$(print-log) | grep '^password ' | tail -n 1

status: ## show the container's status, health and address
	@$(COMPOSE) ps --all --format '{{.Name}}: {{.Status}}'
	$(print-address)

logs: ## show the last lines of the container's log, those of the APIs first
	@log=$$($(print-log)); \
		grep -E '$(OF_THE_API)' <<<"$$log" || echo 'No API has printed anything.'; \
		echo; grep -vE '$(OF_THE_API)' <<<"$$log" || true
	$(print-address)
	@echo '(to follow the log: $(COMPOSE) logs --follow)'

down: ## stop and remove the container; keep the notebooks
	$(COMPOSE) down
	@echo 'The notebooks are kept in a volume. To start again: make up. To remove them: make delete.'

delete: ## after confirmation, remove the container and the volume with the notebooks
	@read -r -p 'Permanently remove the container and ALL ITS NOTEBOOKS? Type yes: ' answer && [ "$$answer" = yes ] || \
		{ echo 'Nothing was removed.'; exit 1; }
	$(COMPOSE) down --volumes
	@echo 'Removed. To start again: make up PASSWORD=…'

OF_THE_API := ^[^|]+/(blue|green) \|

# Not with compose, which prints control characters at the start of lines.
print-log = { id=$$($(COMPOSE) ps --all --quiet notebook); [ -z "$$id" ] || docker logs --tail 200 "$$id" 2>&1; }

define print-address
@address=$$($(COMPOSE) port notebook 8080 2>/dev/null) && [ "$${address##*:}" != 0 ] && \
	echo "address   http://$${address/0.0.0.0/localhost}/" || \
	echo 'Not running. To start it: make up PASSWORD=… (later starts need no password)'
endef

bench: $(VENV)/bench $(VENV)/test ## compare with stock, Flask, FastAPI and Granian; writes bench/results.md
	$(BIN)/python -m bench.run --soak

lock: ## update the requirements*.txt files from pyproject.toml
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile $(LOCK) -o requirements.txt pyproject.toml
	$(VENV)/lock/bin/uv pip compile $(LOCK) -o requirements-dev.txt --group dev -c requirements.txt
	$(VENV)/lock/bin/uv pip compile $(LOCK) -o requirements-bench.txt --group bench -c requirements.txt
	printf '%s\n' isoduration rfc3986-validator rfc3987-syntax | $(VENV)/lock/bin/uv pip compile $(LOCK) --no-config -o $(STOCK) -

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

# --no-deps: the lock files are complete, except for packages that are left out on purpose (pyproject.toml).
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes

# Each of these targets is an empty file that marks a completed step.
$(VENV)/run: requirements.txt
	@# Without python3-venv, Debian's python3 has no ensurepip. /no-ensurepip: a path that never exists.
	.ci/debian-packages nginx=nginx-light
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/debian-packages /no-ensurepip=python3-venv
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/test: $(VENV)/run requirements-dev.txt
	.ci/debian-packages chromium-headless-shell=chromium-headless-shell shellcheck=shellcheck
	$(INSTALL) -r requirements-dev.txt
	@touch $@

# Stock is measured with the packages that our lock files leave out, as in an ordinary installation.
STOCK := bench/peers/requirements-stock.txt

$(VENV)/bench: $(VENV)/run requirements-bench.txt $(STOCK)
	.ci/debian-packages wrk=wrk
	$(INSTALL) -r requirements-bench.txt
	$(INSTALL) --upgrade --target $(VENV)/stock -r $(STOCK)
	@touch $@

.PHONY: help run test chaos fuzz lint bench lock image up status logs down delete
