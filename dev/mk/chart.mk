# What of the chart is generated. Included by the Makefile at the top.

.PHONY: chart-docs golden

chart-docs: setup ## Write the chart's table of values from its schema
	$(PYTHON) dev/chart_values.py

golden: setup cluster-tools ## Write the renderings that the chart's tests compare with
	UPDATE_GOLDEN=1 $(PYTHON) -m pytest --quiet tests/chart/test_golden.py
