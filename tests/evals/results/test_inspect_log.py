"""Against the fields of Inspect's own models (log version 2), which refuse what is missing and take no other types."""

import json
from typing import Any

import pytest

from llmctl.evals.results.inspect_log import as_inspect, file_name
from tests.evals.made import answers, run_of
from tests.evals.results.hostile import FORMULA, SCRIPT, hostile

# Field names of inspect_ai.log's EvalLog, EvalSpec, EvalSample, EvalScore and inspect_ai.model's ModelOutput.
LOG = {"version", "status", "eval", "plan", "results", "stats", "error", "samples", "reductions"}
SPEC = {"eval_id", "run_id", "created", "task", "task_id", "task_args", "dataset", "model", "config", "packages"}
SPEC |= {"metadata", "scorers"}
SAMPLE = {"id", "epoch", "input", "target", "messages", "output", "scores", "metadata", "model_usage", "uuid", "error"}
SAMPLE |= {"total_time"}
SCORE = {"name", "scorer", "reducer", "scored_samples", "unscored_samples", "metrics"}
OUTPUT = {"model", "choices", "usage", "time", "error"}
STOPS = {"stop", "max_tokens", "model_length", "tool_calls", "content_filter", "unknown"}


def log(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(as_inspect(run_of(answers([1.0, None], **fields)), "a")))
    return found


def test_it_has_the_fields_of_the_format_and_no_others() -> None:
    found = json.loads(json.dumps(as_inspect(hostile(), SCRIPT), allow_nan=False))
    assert (found["version"], found["status"]) == (2, "success")
    assert set(found) <= LOG
    assert set(found["eval"]) <= SPEC
    assert {"created", "task", "dataset", "model", "config"} <= set(found["eval"])
    for sample in found["samples"]:
        assert set(sample) <= SAMPLE
        assert set(sample["output"]) <= OUTPUT
        assert {choice["stop_reason"] for choice in sample["output"]["choices"]} <= STOPS
        assert {message["role"] for message in sample["messages"]} <= {"system", "user", "assistant", "tool"}
    assert all(set(score) == SCORE for score in found["results"]["scores"])


def test_one_log_is_one_variant() -> None:
    found = as_inspect(hostile(), FORMULA)
    assert [sample["metadata"]["variant"] for sample in found["samples"]] == [FORMULA] * 4
    assert (found["results"]["total_samples"], found["results"]["completed_samples"]) == (4, 3)
    with pytest.raises(ValueError, match="there is no variant 'x'"):
        as_inspect(hostile(), "x")


def test_scores_keep_their_interval_and_what_was_not_scored() -> None:
    score = log()["results"]["scores"][0]
    assert (score["name"], score["scored_samples"], score["unscored_samples"]) == ("score", 1, 1)
    metric = score["metrics"]["mean"]
    assert metric["value"] == 1.0
    assert (metric["metadata"]["method"], metric["metadata"]["n"]) == ("Wilson", 1)


def test_repeats_are_epochs_from_one() -> None:
    found = as_inspect(run_of([*answers([1.0]), *answers([0.0], repeat=1)]), "a")
    assert [sample["epoch"] for sample in found["samples"]] == [1, 2]
    assert [sample["scores"]["passed"]["value"] for sample in found["samples"]] == ["C", "I"]


def test_an_error_is_an_error_and_has_no_answer() -> None:
    sample = log(detail="after 120 s")["samples"][1]
    assert sample["error"] == {"message": "timeout: after 120 s", "traceback": "", "traceback_ansi": ""}
    assert sample["output"]["choices"] == []
    assert sample["scores"] == {}


def test_messages_targets_and_calls_are_what_inspect_takes() -> None:
    content = [{"type": "text", "text": "look: "}, {"type": "image_url", "image_url": {"url": "x"}}]
    calls = [
        {"function": {"name": "f", "arguments": "{bad"}},
        {"id": "c", "function": {"name": "g", "arguments": "{}"}},
    ]
    sample = log(
        messages=[[{"role": "developer", "content": content}], []],
        expected=[["yes", {"n": 1}], None],
        tool_calls=[calls, []],
    )["samples"][0]
    assert sample["input"] == [{"role": "system", "content": "look: [image_url]"}]
    assert sample["target"] == ["yes", '{"n": 1}']
    first, second = sample["messages"][-1]["tool_calls"]
    assert first == {
        "id": "call_0",
        "function": "f",
        "type": "function",
        "arguments": {},
        "parse_error": "is no JSON object: {bad",
    }
    assert (second["id"], second["arguments"]) == ("c", {})


def test_tokens_add_up() -> None:
    usage = as_inspect(hostile(), SCRIPT)["stats"]["model_usage"]["small"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (40, 24, 72)
    assert usage["input_tokens_cache_read"] == 8


def test_a_file_is_named_as_inspect_looks_for_it() -> None:
    assert file_name(hostile(), FORMULA).startswith("2026-02-02T02-40-00-00-00_script-title-style-pre-script")
    assert "/" not in file_name(hostile(), SCRIPT)
    assert file_name(hostile(), SCRIPT) != file_name(hostile(), FORMULA)
