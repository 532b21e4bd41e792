.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: $(VENV)/run ## run the stack here, without a container
	@exec $(BIN)/python -m control.launch

# Most tests wait most of their time, so several files are under way on each processor. The tests of one share stacks.
WORKERS ?= $(shell echo $$((3 * $$(nproc))))

test: $(VENV)/test ## run all tests
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --durations=40

lint: $(VENV)/test ## ruff, mypy, shellcheck, nginx -t
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	shellcheck .ci/run .ci/debian-packages .ci/docker-engine
	$(BIN)/pytest -q tests/unit/test_launch.py -k nginx_accepts # nginx -t on the rendered file

# The life of a container. IMAGE, PORT and BIND_ADDRESS may be given on the command line or in .env.

-include .env
IMAGE ?= notebook-api
COMPOSE := docker compose

image: ## build the container image
	docker build --tag $(IMAGE) --build-arg REVISION=$$(git describe --always --dirty 2>/dev/null || echo unknown) .

# $(value …): a $ in the password is part of it, not the start of a make variable.
up: export SECRET = $(value PASSWORD)
up: image ## start the container: make up PASSWORD=…
	@if [ -n "$$SECRET" ]; then \
		mkdir -p .secrets && chmod 700 .secrets && \
		printf %s "$$SECRET" >.secrets/password && chmod 644 .secrets/password; \
	fi
	@# In a folder that nobody else may enter it can be readable to the container's user, who is not you.
	@# .env: so that `docker compose` without make finds it too.
	@if [ -e .secrets/password ] && ! grep -qs '^PASSWORD_FILE=' .env; then \
		echo 'PASSWORD_FILE=./.secrets/password' >>.env; \
	fi
	@# A new password reaches only a new container.
	$(COMPOSE) up --detach --wait $(if $(value PASSWORD),--force-recreate) || \
		{ $(print-log); $(COMPOSE) stop; echo 'It did not start; the lines above say why.'; exit 1; }
	$(print-address)
	@# Only there where it was made up.
	@$(print-log) | grep '^password ' | tail -n 1

status: ## is the container up and well, and where
	@$(COMPOSE) ps --all --format '{{.Name}}: {{.Status}}'
	$(print-address)

logs: ## the container's last lines
	@$(print-log)
	$(print-address)
	@echo '(to go on reading: $(COMPOSE) logs --follow)'

down: ## stop and remove the container; the notebooks stay
	$(COMPOSE) down
	@echo 'The notebooks are kept in a volume. To start again: make up. To remove them: make delete.'

delete: ## remove the container and, when you say yes, the volume with the notebooks
	@read -r -p 'Remove the container and ALL ITS NOTEBOOKS for good? Type yes: ' answer && [ "$$answer" = yes ] || \
		{ echo 'Nothing was removed.'; exit 1; }
	$(COMPOSE) down --volumes
	@echo 'Removed. To start anew: make up PASSWORD=…'

# Not by compose, whose lines begin with control characters.
print-log = { id=$$($(COMPOSE) ps --all --quiet notebook); [ -z "$$id" ] || docker logs --tail 200 "$$id" 2>&1; }

define print-address
@address=$$($(COMPOSE) port notebook 8080 2>/dev/null) && [ "$${address##*:}" != 0 ] && \
	echo "address   http://$${address/0.0.0.0/localhost}/" || \
	echo 'Not running. To start it: make up PASSWORD=… (later starts need no password)'
endef

bench: $(VENV)/bench $(VENV)/test ## measure against stock, Flask and FastAPI; writes bench/results.md
	$(BIN)/python -m bench.run --soak

lock: ## renew the requirements*.txt from pyproject.toml
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile $(LOCK) -o requirements.txt pyproject.toml
	$(VENV)/lock/bin/uv pip compile $(LOCK) -o requirements-dev.txt --group dev -c requirements.txt
	$(VENV)/lock/bin/uv pip compile $(LOCK) -o requirements-bench.txt --group bench -c requirements.txt
	echo rfc3987-syntax | $(VENV)/lock/bin/uv pip compile $(LOCK) --no-config -o $(STOCK) -

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

# The lock is complete, and leaves one package out on purpose (pyproject.toml): nothing is to be resolved.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes

# Each of these is an empty file that stands for a finished step.
$(VENV)/run: requirements.txt
	@# A program given by its path: ensurepip is what Debian leaves out of python3 without python3-venv.
	.ci/debian-packages nginx=nginx-light
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/debian-packages /no-ensurepip=python3-venv
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/test: $(VENV)/run requirements-dev.txt
	.ci/debian-packages chromium=chromium shellcheck=shellcheck
	$(INSTALL) -r requirements-dev.txt
	@touch $@

# Stock is measured with the package that our lock leaves out, as whoever installs it has it.
STOCK := bench/peers/requirements-stock.txt

$(VENV)/bench: $(VENV)/run requirements-bench.txt $(STOCK)
	.ci/debian-packages wrk=wrk
	$(INSTALL) -r requirements-bench.txt
	$(INSTALL) --upgrade --target $(VENV)/stock -r $(STOCK)
	@touch $@

.PHONY: help run test lint bench lock image up status logs down delete
