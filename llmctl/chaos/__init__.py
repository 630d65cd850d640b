"""Fault drills: experiments that break what the gateway depends on, and check what it promised."""
