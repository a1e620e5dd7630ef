"""The Grafana dashboards as code. `python -m dev.dashboards` writes them into the chart, `--check` compares."""
