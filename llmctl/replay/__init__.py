"""Recorded traffic, asked again."""
