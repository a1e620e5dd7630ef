# Dashboards and alert rules of the chart (docs/metrics.md). Included by the Makefile at the top.

.PHONY: dashboards

dashboards: setup ## Write the chart's Grafana dashboards from dev/dashboards
	$(PYTHON) -m dev.dashboards
