.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: $(VENV)/run ## run the stack here, without a container
	@exec $(BIN)/python -m control.launch

test: $(VENV)/test ## run all tests
	$(BIN)/pytest

lint: $(VENV)/test ## ruff, mypy, shellcheck
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	shellcheck .ci/run .ci/debian-packages .ci/docker-engine

lock: ## renew requirements.txt and requirements-dev.txt from pyproject.toml
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile $(LOCK) -o requirements.txt pyproject.toml
	$(VENV)/lock/bin/uv pip compile $(LOCK) -o requirements-dev.txt --group dev -c requirements.txt

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

.PHONY: help run test lint lock
