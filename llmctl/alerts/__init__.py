"""Alerts: what is promised (SLOs), as rules for Prometheus, their unit tests, and routing for Alertmanager.

Nothing here does I/O but reading slo.yaml; every function gives the same result for the same input.
"""
