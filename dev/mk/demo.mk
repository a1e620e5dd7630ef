# The demo, the example and what they need. Included by the Makefile at the top.

DEMO_PYTHON ?= $(CURDIR)/.venv/bin/python

.PHONY: demo

demo: setup cluster images ## Fix a real bug on the cluster, live (ANTHROPIC_API_KEY=… for the real model)
	@$(DEMO_PYTHON) -m dev.demo
