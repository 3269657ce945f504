# Every task of the project; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help
help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-24s %s\n", $$1, $$2}'

$(VENV)/.ready: pyproject.toml agents/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; found: $$($(PYTHON) --version)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --editable agents --group dev
	touch $@

.PHONY: setup
setup: $(VENV)/.ready ## make .venv with both distributions and all that development needs

.PHONY: tools
tools: setup ## make the programs of the real clusters: built with Go, or SUANLI_TOOLS=download
	PYTHONPATH=e2e $(BIN)/python -m suanli_clusters

.PHONY: lint
lint: setup ## ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy controller agents tests e2e benchmarks
	$(BIN)/lint-imports

.PHONY: format
format: setup ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: agent-proto
agent-proto: setup ## generate the agent's CRI messages from runtime/cri.proto
	cd agents && ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. suanli_agent/runtime/cri.proto

.PHONY: crds
crds: setup ## write crds/ anew from the structs of the kinds
	$(BIN)/suanli-controller crds --directory crds
