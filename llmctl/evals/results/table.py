"""Results as CSV: one line per answer, a column per metric. Nothing in it runs when a spreadsheet opens it."""

import csv
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

from llmctl.evals.measured import metric_names, value_of
from llmctl.evals.results.plain import cell
from llmctl.evals.results.read import Results
from llmctl.scoring.result import Result

FIXED = ("variant", "item", "repeat", "cluster", "score", "passed")
AFTER = (
    "error",
    "detail",
    "output",
    "expected",
    "cost_usd",
    "cost_status",
    "judging_usd",
    "seconds",
    "ttft",
    "prompt_tokens",
    "completion_tokens",
    "cached",
    "attempts",
    "model",
    "request_id",
)


def as_csv(results: Results) -> str:
    """The document; metrics stand as `metric:NAME`, what is not known is empty."""
    names = [name for name in metric_names(results.results) if name not in ("score", "passed")]
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*FIXED, *(cell(f"metric:{name}") for name in names), *AFTER])
    for variant in results.variants:
        writer.writerows([cell(one) for one in _row(result, names)] for result in results.of(variant))
    return out.getvalue()


def _row(result: Result, names: list[str]) -> Iterator[Any]:
    yield from (result.variant, result.item, result.repeat, result.cluster, result.score, result.passed)
    yield from (value_of(name)(result) for name in names)
    yield from (result.error, result.detail, result.output, _text(result.expected))
    yield from (result.cost.usd, result.cost.status, result.judging.usd, result.seconds, result.ttft)
    yield from (result.usage.prompt, result.usage.completion, result.cached, result.attempts)
    yield from (result.model, result.request_id)


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value, default=str)
