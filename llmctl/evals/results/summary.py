"""A run as one JSON document: its head, and the figures of each variant with their intervals."""

from typing import Any

import msgspec

from llmctl.evals.results.figures import figures
from llmctl.evals.results.plain import json_value
from llmctl.evals.results.read import Results


def as_json(results: Results, confidence: float = 0.95) -> dict[str, Any]:
    """Shares are within 0 and 1, times in seconds, money in US dollars; what cannot be told is null."""
    return {
        "run": msgspec.to_builtins(results.run),
        "confidence": confidence,
        "variants": json_value(figures(results, confidence)),
    }
