"""A run whose every text tries to be obeyed by what shows it."""

from llmctl.evals.results.read import Results
from llmctl.model.usage import Cost, Usage
from llmctl.scoring.result import Result, Run, Scored

SCRIPT = '</script></title></style></pre><script>alert(1)</script><img src=x onerror="alert(2)">{{ 7*7 }}'
FORMULA = '=HYPERLINK("http://evil.example","x")'


def result(item: str, variant: str, score: float | None, **fields: object) -> Result:
    told: dict[str, object] = {
        "number": 0,
        "repeat": 0,
        "passed": None if score is None else score >= 0.5,
        "columns": {"q": SCRIPT},
        "expected": SCRIPT,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SCRIPT}],
        "output": f"{FORMULA}\x1b[31m\x00{SCRIPT}",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": SCRIPT, "arguments": '{"a": 1}'}}],
        "scored": [Scored("tone", "llm-rubric", score, None if score is None else score >= 0.5, reason=SCRIPT)],
        "seconds": 1.5,
        "usage": Usage(input=10, cached_read=2, output=5, reasoning=1, source="provider"),
        "cost": Cost(0.001, "exact"),
        "model": "small",
        "request_id": "req_1",
    }
    return Result(item=item, variant=variant, score=score, **(told | fields))  # type: ignore[arg-type]


def hostile() -> Results:
    """Two variants named by an attacker, an item that fails, one that errs, and one that nobody could score."""
    found = []
    for variant, score in ((SCRIPT, 1.0), (FORMULA, 0.0)):
        found += [
            result(SCRIPT, variant, score),
            result("plain", variant, 0.75, number=1),
            result("lost", variant, None, number=2, error="timeout", detail=SCRIPT, output="", cost=Cost()),
            result("unscored", variant, None, number=3, cost=Cost(0.1, "partial")),
        ]
    return Results(Run(SCRIPT, "digest", [SCRIPT, FORMULA], 4, 1, 3, 1_770_000_000.0, "0.1"), tuple(found))
