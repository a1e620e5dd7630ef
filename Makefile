# `make help` lists everything. Targets that need a cluster use what KUBECONFIG names, else the one of `make cluster`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON := $(CURDIR)/.venv/bin/python
# Most unit tests that take time wait for tmux, git or a process.
WORKERS ?= 4
# Floods that use the whole machine for a minute or two: nothing runs beside them.
FIDELITY := tests/process/fidelity
export PYTHONPATH := $(CURDIR)/operator:$(CURDIR)

include $(wildcard dev/mk/*.mk)

.PHONY: help setup crds lock lint lint-crds format test test-unit test-process test-chart test-integration test-e2e images push bench soak clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

setup: .venv/.made ## Make the Python environment, every package at its locked version and hash

.venv/.made: requirements/dev.lock
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	python3 -m venv .venv
	.venv/bin/pip install --quiet --require-hashes --requirement requirements/dev.lock
	@touch $@

crds: setup ## Write crds/ and the chart's copy from the models
	$(PYTHON) dev/generate_crds.py

lock: setup ## Lock the dependencies anew, with hashes
	.venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header --extra tracing pyproject.toml -o requirements/runtime.lock
	.venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header --extra dev --extra tracing pyproject.toml -c requirements/runtime.lock -o requirements/dev.lock

lint-crds: setup
	@$(PYTHON) dev/generate_crds.py --check

lint: setup ## ruff, mypy, the layers, generated files
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON) dev/generate_crds.py --check

format: setup ## Format the code
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix --quiet .

images: setup ## Build the images and, for `make cluster`, bring them into it
ifeq ($(CLUSTER_IS_OURS),yes)
	$(PYTHON) -m dev.images load
else
	$(PYTHON) -m dev.images build
endif

push: setup ## Push the images to a registry of yours: make push REGISTRY=… [VERSION=…]
	$(PYTHON) -m dev.images push --registry $(or $(REGISTRY),$(error say which: make push REGISTRY=…)) $(if $(VERSION),--version $(VERSION))

test-unit: setup ## Unit and property tests: no cluster, no Helm
	$(PYTHON) -m pytest tests/unit -n $(WORKERS)

test-process: setup ## Tests with real git, tmux and servers on loopback: minutes
	$(PYTHON) -m pytest tests/process --ignore=$(FIDELITY) -n $(WORKERS)
	$(PYTHON) -m pytest $(FIDELITY)

test-chart: setup cluster-tools ## The Helm chart, rendered
	$(PYTHON) -m pytest tests/chart -n $(WORKERS)

test-integration: setup cluster ## Tests against a real API server
	$(PYTHON) -m pytest tests/integration

test-e2e: setup setup-system cluster images ## Tests on the whole cluster
	$(PYTHON) -m pytest tests/e2e

test: setup setup-system lint cluster images ## All tests, on a fresh machine too
	$(PYTHON) -m pytest tests/unit tests/process tests/chart tests/chaos --ignore=$(FIDELITY) -n $(WORKERS)
	$(PYTHON) -m pytest $(FIDELITY)
	$(PYTHON) -m pytest tests/integration tests/e2e

bench: setup setup-system cluster images ## Measure against peers: make bench BENCH="P1 P3"
	$(PYTHON) -m bench $(BENCH)

soak: setup setup-system cluster images ## Hold the full load: make soak SOAK="--minutes 5 --lines 1000000"
	$(PYTHON) -m bench.soak $(SOAK)

clean: cluster-clean ## Stop the cluster and delete all that was built here
	rm -rf .images .venv
