"""Answers kept and given again: exact by a hash of the request, semantic by an error-bounded decision."""
