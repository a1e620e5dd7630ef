# What of the chart is generated. Included by the Makefile at the top.

.PHONY: chart-docs golden helm4

chart-docs: setup ## Write the chart's table of values from its schema
	$(PYTHON) dev/chart_values.py

helm4: ## Build Helm 4, with which the chart is tested beside Helm 3
	@$(CLUSTER) build-helm4

test test-chart test-e2e: helm4

golden: setup cluster-tools ## Write the renderings that the chart's tests compare with
	UPDATE_GOLDEN=1 $(PYTHON) -m pytest --quiet tests/chart/test_golden.py -k looked_at
