"""Prompt compression: of what is put before a model only for this request, keep what the question is about.

Nothing here does I/O but reading a model's files when it is made; every function gives the same result for the same
input. `payload.compress_payload` is what the gateway calls, `extract.compress` what a program of one's own does.
"""
