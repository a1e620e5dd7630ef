# Faults (see docs/faults.md). Included by the Makefile at the top.

CHAOS ?= --cluster

.PHONY: chaos

chaos: setup setup-system cluster images image-postgres ## Every fault, a line each (CHAOS= for those that need no cluster)
	$(PYTHON) -m dev.chaos $(CHAOS)
