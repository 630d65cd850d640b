"""Results as one HTML file: no scripts, nothing fetched, every value escaped; items open to all their answers."""

import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from llmctl.evals.comparison import Comparison
from llmctl.evals.comparison_text import HEADER, LEFT, limits, rows
from llmctl.evals.gate import Gate
from llmctl.evals.measured import measure
from llmctl.evals.results.figures import Figures, figures
from llmctl.evals.results.plain import printable
from llmctl.evals.results.read import Results
from llmctl.scoring.result import Result, Scored

MOST = 1000  # items that open; the results file has all
_WIDTH = 160  # of a bar, in its own units


def as_html(
    results: Results,
    comparison: Comparison | None = None,
    gates: Sequence[Gate] = (),
    *,
    confidence: float = 0.95,
    most: int = MOST,
) -> str:
    """The whole document."""
    import jinja2  # not wanted by any other format

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, finalize=_shown)
    template = environment.from_string(files("llmctl.evals.results").joinpath("page.html").read_text("utf-8"))
    run, found = results.run, figures(results, confidence)
    items, count = _items(results, most)
    started = datetime.fromtimestamp(run.started, UTC)
    order = "Where variants differ most first, then what did not pass."
    return template.render(
        title=run.suite,
        about=f"{started:%Y-%m-%d %H:%M} UTC · seed {run.seed} · {run.repeats} repeats · digest {run.digest} · "
        f"llmctl {run.llmctl}",
        comparison=comparison,
        header=HEADER,
        left=LEFT,
        rows=rows(comparison) if comparison is not None else [],
        gates=gates,
        figures=found,
        metrics=[line for one in found for line in _metrics(one)],
        items=items,
        order=order if len(items) == count else f"{order} {len(items):,} of {count:,}; the results file has all.",
    )


def _shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


def _metrics(one: Figures) -> Iterator[dict[str, Any]]:
    for metric in one.metrics:
        found = metric.interval
        told = {"variant": one.variant, "name": metric.name, "unscored": metric.unscored}
        if found is None:
            yield {**told, "mean": "?", "limits": "", "bar": None, "n": 0, "method": "no item has it"}
            continue
        ends = (found.low, found.estimate, found.high)
        drawn = all(math.isfinite(end) for end in ends)
        bar = [round(_WIDTH * min(1.0, max(0.0, end)), 1) for end in ends] if drawn else None
        method = f"{found.method}: {found.caution}" if found.caution else found.method
        figured = {"mean": f"{found.estimate:.4g}", "limits": limits(found), "n": found.n, "method": method}
        yield {**told, **figured, "bar": bar}


def _items(results: Results, most: int) -> tuple[list[dict[str, Any]], int]:
    by_item: dict[str, dict[str, list[Result]]] = {}
    for variant in results.variants:
        for result in results.of(variant):
            by_item.setdefault(result.item, {}).setdefault(variant, []).append(result)
    means = {variant: measure(results.of(variant), "score").values for variant in results.variants}

    def place(item: str) -> tuple[float, float]:
        scores = [of[item] for of in means.values() if item in of]
        told = len(scores) == len(by_item[item])
        return (-(max(scores) - min(scores)) if scores and told else -1.0, min(scores, default=0.0))

    shown = sorted(by_item, key=place)[:most]
    return [_item(name, by_item[name], means) for name in shown], len(by_item)


def _item(name: str, sides: dict[str, list[Result]], means: dict[str, dict[str, float]]) -> dict[str, Any]:
    first = next(iter(sides.values()))[0]
    messages = [(message.get("role", ""), _text(message.get("content"))) for message in first.messages]
    told = [_side(variant, found, means[variant].get(name)) for variant, found in sides.items()]
    expected = "" if first.expected is None else _text(first.expected)
    return {"name": name, "messages": messages, "expected": expected, "sides": told}


def _side(variant: str, found: Sequence[Result], mean: float | None) -> dict[str, Any]:
    passed = [result.passed for result in found]
    told = "unscored" if mean is None else f"{mean:.3g}"
    if any(result.error for result in found):
        told = f"{sum(bool(result.error) for result in found)} errors, {told}"
    state = _state(all(passed) if None not in passed else None)
    return {"variant": variant, "told": told, "state": state, "answers": [_answer(result) for result in found]}


def _answer(result: Result) -> dict[str, Any]:
    about = [f"repeat {result.repeat}" if result.repeat else "", result.model]
    about.append("" if result.seconds is None else f"{result.seconds:.3f} s")
    about.append("no price" if result.cost.usd is None else f"${result.cost.usd:.6f} ({result.cost.status})")
    about += ["cached" if result.cached else "", result.request_id]
    return {
        "about": " · ".join(filter(None, about)),
        "error": f"{result.error}: {result.detail}" if result.error else "",
        "output": result.output,
        "calls": [json.dumps(call, ensure_ascii=False, default=str) for call in result.tool_calls],
        "scored": [_scored(one) for one in result.scored],
    }


def _scored(one: Scored) -> dict[str, str]:
    value = "unscored" if one.value is None else f"{one.value:.3g}"
    kind = f" ({one.kind})" if one.kind != one.metric else ""
    told = f"{one.metric}{kind} = {value}{f', {one.reason}' if one.reason else ''}"
    return {"told": told, "state": _state(one.passed)}


def _state(passed: bool | None) -> str:
    return "unknown" if passed is None else "pass" if passed else "fail"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
