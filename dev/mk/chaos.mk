# Faults (see docs/faults.md). Included by the Makefile at the top.

CHAOS ?= --cluster

.PHONY: chaos test-chaos

test-chaos: setup ## The simulated faults at the size of `make test`
	$(PYTHON) -m pytest tests/chaos -n $(WORKERS)

chaos: setup setup-system cluster images image-postgres ## Every fault, a line each (CHAOS= for those that need no cluster)
	$(PYTHON) -m dev.chaos $(CHAOS)
