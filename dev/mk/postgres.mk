# The Postgres of the tests on the cluster (see dev/postgres/README.md). Included by the Makefile at the top.

.PHONY: image-postgres

image-postgres: setup setup-system cluster ## Build the tests' Postgres and, for `make cluster`, bring it into it
ifeq ($(CLUSTER_IS_OURS),yes)
	$(PYTHON) -m dev.images load mentu-postgres
else
	$(PYTHON) -m dev.images build mentu-postgres
endif

test test-e2e: image-postgres
