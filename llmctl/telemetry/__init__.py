"""The record store, metrics, and the operational log."""
