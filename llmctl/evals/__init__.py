"""Evals: suites, their runs, and decisions between two of them."""
