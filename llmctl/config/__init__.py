"""Declarative configuration: schema, loading, secrets."""
