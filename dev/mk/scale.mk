# Thousands of commands on pretended nodes (see dev/scale). Included by the Makefile at the top.

.PHONY: kwok scale

kwok: ## Build KWOK's controller, for pretended nodes
	@$(CLUSTER) build-kwok

scale: setup setup-system cluster kwok ## Hold thousands of commands: make scale SCALE="--minutes 2", SCALE=--smoke for a few minutes
	$(PYTHON) -m bench.scale $(SCALE)

bench: kwok
