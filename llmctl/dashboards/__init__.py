"""Grafana dashboards of the metrics that a gateway shows."""
