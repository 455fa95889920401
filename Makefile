# Everything runs from .venv, which `make setup` builds from the lock file. Needs: Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format lock up bench ticks chaos storm clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## build .venv from the lock file

$(STAMP): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 …"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/pip check --disable-pip-version-check
	@touch $@

demo: setup ## rent two VMs on a simulated cluster and log in to them; ARGS="--once --json" ends by itself
	@$(BIN)/innkeeper demo $(ARGS)

up: setup ## run everything on this machine with the simulator, until Ctrl-C
	@$(BIN)/innkeeper up --sim $(ARGS)

test: setup ## run the whole test suite with its own servers, and check the coverage of the core
	@$(BIN)/python -m pytest --cov $(ARGS)

lint: setup ## style, types, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## rewrite the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## resolve the lock files anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras pyproject.toml -o requirements/runtime.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras --group dev pyproject.toml requirements/build.in -o requirements/dev.lock

bench: setup ## measure: POST to the first call of Proxmox VE
	@$(BIN)/python -m benchmarks.first_call

chaos: setup ## 500 provisionings while every fault of the simulator strikes at 2 %; ARGS="--vms N --probability P"
	@$(BIN)/python -m benchmarks.campaign $(ARGS)

ticks: setup ## measure reclaim and restore at 1,000 nodes, 8,000 GPUs, 8,000 VMs and 1,000 that wait
	@$(BIN)/python -m benchmarks.ticks

storm: setup ## 300 random requests of 20 users on a whole installation, watched; ARGS="--requests N --seed S --kill"
	@$(BIN)/python -m benchmarks.storm $(ARGS)

clean: ## remove what the commands above made
	rm -rf $(VENV) .innkeeper .pytest_cache .mypy_cache .ruff_cache .hypothesis build ./*.egg-info .coverage*
