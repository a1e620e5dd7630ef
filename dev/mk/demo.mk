# The demo: the example project's bug, fixed on the cluster. Included by the Makefile at the top.
# On a cluster of yours: make push REGISTRY=… first, then make demo REGISTRY=… with the same VERSION.

export DEMO_NAMESPACE ?= mentu-demo
demo: export IMAGE_PREFIX := $(if $(REGISTRY),$(REGISTRY)/,localhost/)
demo: export IMAGE_TAG := $(or $(VERSION),dev)

.PHONY: demo

demo: setup setup-system cluster images ## Fix a real bug on the cluster, live (ANTHROPIC_API_KEY=… for the real model)
	@$(PYTHON) -m dev.demo
