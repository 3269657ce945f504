# Every task of the project; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first Python that is new enough; `make PYTHON=...` takes another.
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$python $(NEW_ENOUGH) && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest

.PHONY: help
help: ## list the tasks
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

$(VENV)/.ready: pyproject.toml agents/pyproject.toml
	@$(or $(PYTHON),false) $(NEW_ENOUGH) \
	  || { echo "Python 3.11 or later is needed: install it, or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) e2e/system_packages.py python
	@echo "setup: making $(VENV) with what pyproject.toml asks for: a minute or two" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' \
	  && $(BIN)/python -m pip install --quiet --editable . --editable agents --group dev \
	  || { echo "setup: pip failed, see above: is there a network, and is pip's index the right one (pip config list)?" >&2; exit 1; }
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready ## make .venv with both distributions and all that development needs

PAGE := controller/suanli_controller/dashboard/static/index.html
PAGE_SOURCES := $(shell find controller/page -name node_modules -prune -o -type f -print)

$(PAGE): $(VENV)/.ready $(PAGE_SOURCES)
	@echo "page: building the dashboard's page: half a minute the first time" >&2
	@$(BIN)/python controller/page/build.py
	@touch $@

.PHONY: page
page: $(PAGE) ## build the dashboard's page, with Node and npm from PATH or else from PyPI

.PHONY: tools
tools: setup ## make the programs of the real clusters: built with Go, or SUANLI_TOOLS=download
	@PYTHONPATH=e2e $(BIN)/python -m suanli_clusters

.PHONY: system-packages
system-packages: setup ## say what the tests need of the system; as root on Debian install it
	@$(BIN)/python e2e/system_packages.py tests

.PHONY: test
test: lint test-unit test-e2e ## all that a change must pass: lint, unit, property and end-to-end tests

.PHONY: test-unit
test-unit: setup page ## unit, property and contract tests: no cluster
	$(PYTEST) -m "not long" tests

# Tests wait for clusters more than they compute: two files at a time, each with clusters of its own.
E2E_WORKERS ?= 2

.PHONY: test-e2e
test-e2e: system-packages tools page ## tests on real API servers, containers and browser; E2E_WORKERS=0: one by one
	$(PYTEST) -m "not long" --numprocesses $(E2E_WORKERS) --dist loadfile --durations 15 e2e

.PHONY: test-long
test-long: system-packages tools page ## what waits for minutes: long outages, soak
	$(PYTEST) -m long --timeout 3600 tests e2e

.PHONY: test-kind
test-kind: tools ## the operator's end-to-end tests on two kind clusters of Kubernetes 1.36: needs Docker
	$(PYTEST) --clusters kind --timeout 1800 e2e

.PHONY: demo
demo: tools page ## a hub, two clouds of mixed processors and the operator on this machine, until Ctrl-C
	@PYTHONPATH=e2e $(BIN)/python -m demo $(DEMO)

.PHONY: bench-multicloud
bench-multicloud: tools ## the operator over three clouds, beside Karmada's figures; BENCH="--only burst" and others
	@PYTHONPATH=.:e2e $(BIN)/python -m benchmarks.multicloud $(BENCH)

.PHONY: bench-traffic
bench-traffic: tools ## what a burst's requests and watches cost a controller that decides nothing: the floor of the above
	@PYTHONPATH=.:e2e $(BIN)/python -m benchmarks.multicloud.traffic $(BENCH)

.PHONY: lint
lint: setup ## ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy controller agents tests e2e benchmarks
	$(BIN)/mypy conftest.py
	$(BIN)/lint-imports

.PHONY: format
format: setup ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: agent-proto
agent-proto: setup ## generate the agent's CRI messages from runtime/cri.proto
	cd agents && ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. suanli_agent/runtime/cri.proto suanli_agent/runtime/health.proto

.PHONY: crds
crds: setup ## write crds/ anew from the structs of the kinds
	$(BIN)/suanli-controller crds --directory crds

.PHONY: clean
clean: ## remove what the tasks have made in this folder
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest-kind

.PHONY: test-node-conformance
test-node-conformance: setup ## upstream's [NodeConformance] specs against the agent (SELECTION=quick|main|slow)
	$(BIN)/python e2e/system_packages.py tests conformance
	$(BIN)/python e2e/nodeconformance/run.py --selection $(or $(SELECTION),quick)

.PHONY: bench-informer
bench-informer: setup ## our typed cache against the official client: 10,000 nodes, a minute or two
	$(BIN)/python benchmarks/informer.py
