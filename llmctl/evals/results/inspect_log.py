"""Results as a log of Inspect, version 2, in JSON: `inspect view` and Inspect's data frames read it.

One log is one task and one model, so one variant. Source: UKGovernmentBEIS/inspect_ai, src/inspect_ai/log/_log.py, and
the pydantic models that it names.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from llmctl.evals.measured import metric_names
from llmctl.evals.results.figures import Figures, figures_of
from llmctl.evals.results.plain import json_value
from llmctl.evals.results.read import Results
from llmctl.model.usage import Usage
from llmctl.scoring.result import Result

_ROLES = ("system", "user", "assistant", "tool")


def as_inspect(results: Results, variant: str) -> dict[str, Any]:
    """The log of one variant. Raises ValueError for one that the results do not have."""
    if variant not in results.variants:
        raise ValueError(f"there is no variant {variant!r}; there are {', '.join(results.variants)}")
    found, run = results.of(variant), results.run
    created = datetime.fromtimestamp(run.started, UTC).isoformat()
    names = metric_names(found)
    model = next((result.model for result in found if result.model), "") or variant
    ids = list(dict.fromkeys(result.item for result in found))
    told = figures_of(variant, found, names)
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": _id(run.digest, variant, "eval"),
            "run_id": _id(run.digest, str(run.started), "run"),
            "created": created,
            "task": run.suite,
            "task_id": _id(run.digest, variant, "task"),
            "task_args": {"variant": variant, "seed": run.seed},
            "dataset": {"name": run.suite, "samples": run.items, "sample_ids": ids},
            "model": model,
            "config": {"epochs": run.repeats},
            "packages": {"llmctl": run.llmctl},
            "metadata": {"digest": run.digest},
            "scorers": [{"name": name} for name in names],
        },
        "plan": {"name": variant, "steps": []},
        "results": _results(told, found),
        "stats": {"started_at": created, "completed_at": "", "model_usage": {model: _usage(found)}},
        "samples": [_sample(result, model) for result in found],
    }


def file_name(results: Results, variant: str) -> str:
    """A name by which Inspect finds the log in its folder: when it began, the task, and an id."""
    began = datetime.fromtimestamp(results.run.started, UTC)
    task = "-".join(re.findall(r"[A-Za-z0-9]+", results.run.suite))[:60] or "eval"
    return f"{began:%Y-%m-%dT%H-%M-%S}-00-00_{task}_{_id(results.run.digest, variant, 'task')}.json"


def _results(told: Figures, found: Sequence[Result]) -> dict[str, Any]:
    scores = []
    for metric in told.metrics:
        metrics: dict[str, Any] = {}
        if metric.interval is not None:
            limits = {name: json_value(getattr(metric.interval, name)) for name in ("low", "high", "confidence", "n")}
            beside = {**limits, "method": metric.interval.method, "caution": metric.interval.caution}
            metrics["mean"] = {"name": "mean", "value": metric.interval.estimate, "metadata": beside}
        scored = told.items - metric.unscored
        scores.append(
            {
                "name": metric.name,
                "scorer": metric.name,
                "reducer": "mean",
                "scored_samples": scored,
                "unscored_samples": metric.unscored,
                "metrics": metrics,
            }
        )
    whole = sum(not result.error for result in found)
    return {"total_samples": len(found), "completed_samples": whole, "scores": scores}


def _sample(result: Result, model: str) -> dict[str, Any]:
    sample: dict[str, Any] = {
        "id": result.item,
        "epoch": result.repeat + 1,
        "input": [_message(message) for message in result.messages],
        "target": _target(result.expected),
        "messages": [*(_message(message) for message in result.messages), _answer(result)],
        "output": _output(result, model),
        "scores": dict(_scores(result)),
        "metadata": {"columns": json_value(result.columns), "cluster": result.cluster, "variant": result.variant},
        "model_usage": {model: _tokens(result.usage)},
        "uuid": _id(result.variant, result.item, str(result.repeat)),
    }
    if result.seconds is not None:
        sample["total_time"] = result.seconds
    if result.error:
        said = f"{result.error}: {result.detail}" if result.detail else result.error
        sample["error"] = {"message": said, "traceback": "", "traceback_ansi": ""}
    return sample


def _scores(result: Result) -> Iterator[tuple[str, dict[str, Any]]]:
    """By metric; where several scorers count for one, the kind stands beside."""
    if result.score is not None:
        yield "score", {"value": result.score, "answer": result.output}
    if result.passed is not None:
        yield "passed", {"value": "C" if result.passed else "I", "answer": result.output}
    several = [one.metric for one in result.scored]
    for at, one in enumerate(result.scored):
        if one.value is None:
            continue
        name = one.metric if several.count(one.metric) == 1 else f"{one.metric} ({one.kind} {at})"
        metadata = {"kind": one.kind, "weight": one.weight, "raw": one.raw, "passed": one.passed, "parts": one.parts}
        yield name, {"value": one.value, "explanation": one.reason or None, "metadata": json_value(metadata)}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    role = message.get("role")
    role = {"developer": "system", "function": "tool"}.get(str(role), role)
    return {"role": role if role in _ROLES else "user", "content": _text(message.get("content"))}


def _answer(result: Result) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": result.output, "source": "generate"}
    if result.tool_calls:
        message["tool_calls"] = [_call(call, at) for at, call in enumerate(result.tool_calls)]
    return message


def _call(call: dict[str, Any], at: int) -> dict[str, Any]:
    function = call.get("function", call)
    written = function.get("arguments", "")
    try:
        arguments = json.loads(written) if isinstance(written, str) else written
    except ValueError:
        arguments = None
    told = {"id": str(call.get("id") or f"call_{at}"), "function": str(function.get("name", "")), "type": "function"}
    if isinstance(arguments, dict):
        return {**told, "arguments": arguments}
    return {**told, "arguments": {}, "parse_error": f"is no JSON object: {written}"}


def _output(result: Result, model: str) -> dict[str, Any]:
    if result.error:
        return {"model": model, "choices": [], "error": result.error}
    stop = "tool_calls" if result.tool_calls else "stop"
    told: dict[str, Any] = {
        "model": result.model or model,
        "choices": [{"message": _answer(result), "stop_reason": stop}],
        "usage": _tokens(result.usage),
    }
    return told if result.seconds is None else {**told, "time": result.seconds}


def _usage(found: Sequence[Result]) -> dict[str, Any]:
    total = Usage()
    for result in found:
        total += result.usage
    return _tokens(total)


def _tokens(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "input_tokens_cache_read": usage.cached_read,
        "input_tokens_cache_write": usage.cached_write,
        "reasoning_tokens": usage.reasoning,
    }


def _target(expected: Any) -> str | list[str]:
    if isinstance(expected, list):
        return [_text(one) for one in expected]
    return _text(expected)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return "".join(str(part.get("text", f"[{part.get('type', 'content')}]")) for part in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _id(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=11).hexdigest()
