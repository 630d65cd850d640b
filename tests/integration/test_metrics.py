"""/metrics of a gateway at work: nobody can add a series, nothing is missing, several workers are one."""

import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

from llmctl.model.record import CacheKind, Degraded, GuardAction, GuardVerdict, State, Why
from llmctl.routing import TABLE as STRATEGIES
from llmctl.routing import breaker
from llmctl.telemetry import metrics as tables
from llmctl.testing.process import Served, serve
from tests.integration.hostile import Ask, World, chat, world

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without it httpx reads certificates for each connection
MODELS = {"m", "n", "dear", "any", "other"}
CLASSES = {"1xx", "2xx", "3xx", "4xx", "5xx"}


def product(guards: set[str]) -> dict[str, set[str]]:
    """By label, every value that may ever be shown: names of `hostile.CONFIG` and tables of ours."""
    return {
        "model": MODELS,
        "route": MODELS,
        "gen_ai_request_model": MODELS,
        "provider": {"up", "mem", "none", "other"},
        "gen_ai_provider_name": {"up", "mem", "none", "other"},
        "gen_ai_operation_name": {"chat", "text_completion", "embeddings", "other"},
        "gen_ai_token_type": {"input", "output"},
        "status": {*tables._STATUSES.values(), *CLASSES, "other"},
        "dialect": {*tables._DIALECTS.values(), "other"},
        "why": set(get_args(Why)),
        "outcome": {"ok", "error", "rate_limited", "other", *CLASSES, *tables._OUTCOMES, *get_args(CacheKind)},
        "bucket": {"input", "cached_read", "cached_write", "output", "reasoning"},
        "guard": guards | {"other"},
        "verdict": set(get_args(GuardVerdict)),
        "action": set(get_args(GuardAction)),
        "strategy": {*STRATEGIES, "fixed"},
        "how": set(get_args(Degraded)),
        "to": set(get_args(breaker.State)),
        "reason": set(get_args(breaker.Reason)),
        "state": set(get_args(State)),
        "budget": {"team"},
        "policy": {"rpm", "digest"},
        "version": {"1"},
        "unit": {"entries", "bytes", "not_written"},
    }


def samples(text: str) -> Iterator[Sample]:
    for family in parse_text(text):
        yield from family.samples


# What a client may send: any bytes that HTTP lets through, words of ours in wrong places, text for exposition formats.
WORDS = st.sampled_from(
    ['a"b', 'm",x="', "\\", "\n", "m\n# TYPE evil counter\nevil 1", "{}", "other", "M", "m ", "up", ""]
)
TEXT = st.one_of(WORDS, st.text(max_size=40))
LINE = st.binary(max_size=60).map(lambda raw: raw.translate(None, b"\r\n\0").strip())
HEADER = st.sampled_from(
    [b"x-request-id", b"traceparent", b"tracestate", b"x-llmctl-tags", b"x-llmctl-cache", b"user-agent", b"x-api-key",
     b"authorization", b"content-type", b"anthropic-version", b"openai-organization", b"x-stainless-lang", b"accept"]
)  # fmt: skip
PATH = st.one_of(
    st.sampled_from([b"/v1/chat/completions"] * 6 + [b"/v1/completions", b"/v1/embeddings", b"/v1/messages"]),
    st.sampled_from([b"/v1/responses", b"/v1/models", b"/v1/models/x", b"/v1/nothing", b"/v1/batches", b"/metrics"]),
    st.binary(max_size=30).map(lambda raw: b"/v1/" + bytes(c for c in raw if 0x21 <= c < 0x7F and c != 0x23)),
)
NUMBER = st.one_of(st.integers(-5, 10**20), st.floats(), st.none(), TEXT)
BODY = st.one_of(
    st.builds(
        chat,
        st.one_of(st.sampled_from(["m", "n", "dear", "any"]), TEXT),
        stream=st.booleans(),
        user=TEXT,
        metadata=st.one_of(st.none(), st.dictionaries(TEXT, TEXT, max_size=3)),
        max_tokens=st.one_of(st.integers(1, 100), NUMBER),
        input=TEXT,
        prompt=TEXT,
    ),
    st.binary(max_size=40),
)


def answered(model: str, finish: str, tokens: Any, more: Any) -> bytes:
    message = {"role": "assistant", "content": "Because."}
    usage = {"prompt_tokens": tokens, "completion_tokens": more, "total_tokens": tokens}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "c", "model": model, "choices": [choice], "usage": usage}).encode()


def refused(code: Any, kind: Any, message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "code": code, "param": None}}).encode()


ANSWER = st.one_of(
    st.builds(answered, TEXT, TEXT, st.integers(0, 5000), st.integers(0, 5000)),
    st.builds(answered, TEXT, TEXT, NUMBER, NUMBER),
    st.builds(refused, st.one_of(TEXT, NUMBER), st.one_of(TEXT, NUMBER), TEXT),
    st.binary(max_size=40),
)
ASK = st.builds(
    Ask,
    method=st.sampled_from(["POST"] * 8 + ["GET", "DELETE", "BREW"]),
    path=PATH,
    headers=st.lists(st.tuples(HEADER, LINE), max_size=4).map(tuple),
    body=BODY,
    status=st.one_of(st.just(200), st.sampled_from([201, 302, 400, 401, 404, 418, 429, 500, 529, 599, 777])),
    answer=ANSWER,
    known=st.sampled_from([True, True, True, False]),
)


@pytest.fixture(scope="module", name="hostile")
def _hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("hostile")
    before = Path.cwd()
    os.chdir(folder)
    try:
        with world(folder) as made:
            yield made
    finally:
        os.chdir(before)


@given(st.lists(ASK, min_size=1, max_size=6))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_hostile_input_cannot_add_a_series(hostile: tuple[World, Any], asks: list[Ask]) -> None:
    made, runner = hostile

    async def go() -> tuple[str, str]:
        for ask in asks:
            assert (await made.ask(ask)).startswith(b"HTTP/1.1 ")
        return await made.scrape(""), await made.scrape(OPENMETRICS)

    plain, extended = runner.run(go())
    allowed = product(made.guards)
    found = list(samples(plain))
    for sample in found:
        for label, value in sample.labels.items():
            assert label == "le" or value in allowed[label], sample
    names = {family.name.removesuffix("_info") for family in parse_text(plain)}
    assert names == {family.name for family in strictly(extended)}
    errors = [sample.value for sample in found if sample.name == "llmctl_metrics_errors_total"]
    assert errors == [0]
    assert not made.bugs


def strictly(text: str) -> list[Any]:
    """Parsed, and by OpenMetrics' rules, which are strict: exemplars, no family twice, an end."""
    return list(parse_openmetrics(text))  # type: ignore[no-untyped-call]


def test_the_hostile_requests_reached_everything(hostile: tuple[World, Any]) -> None:
    """What the test above claims is worth something: its requests were let in, failed over, were cached and refused."""
    made, runner = hostile

    async def go() -> str:
        quiet = Ask(
            "POST", b"/v1/chat/completions", (), chat("any", temperature=0), 200, answered("x", "stop", 7, 5), True
        )
        for model in ("any", "n", "m", "m"):
            await made.ask(Ask(quiet.method, quiet.path, (), chat(model, temperature=0), 200, quiet.answer, True))
        return await made.scrape("")

    found = list(samples(runner.run(go())))
    names = ("llmctl_requests_total", "llmctl_tokens_total", "llmctl_cache_requests_total")
    counted = {name: sum(sample.value for sample in found if sample.name == name) for name in names}
    assert all(counted.values()), counted
    assert {record.state for record in made.sink.records} >= {"ok", "failed"}
    assert len(made.sink.records) == counted["llmctl_requests_total"]


WORKING = """
    server: {drain_timeout: 5s}
    guardrails: {preset: balanced}
    providers:
      up: {kind: scripted, tokens: 4}
      slow: {kind: scripted, tokens: 25, token_rate: 10}
      dead: {kind: openai, base_url: "http://127.0.0.1:1/v1"}
    models: {small: {provider: up}, slow: {provider: slow}, dead: {provider: dead}}
    cache: {dir: null}
    resilience: {breaker: {minimum_calls: 1, open_for: 60s}}
    telemetry: {request_log: requests.jsonl}
    records: {dir: records}
"""
CONVENTIONAL = {
    "gen_ai_client_operation_duration_seconds",
    "gen_ai_client_token_usage",
    "gen_ai_server_request_duration_seconds",
    "gen_ai_server_time_to_first_token_seconds",
    "gen_ai_server_time_per_output_token_seconds",
    "llm_requests_total",
    "llm_latency_seconds",
    "llm_cost_dollars",
    "llmctl_overhead_seconds",
}  # of conventions.md
BESIDE = {
    "llmctl_requests_total",
    "llmctl_attempts_total",
    "llmctl_tokens_total",
    "llmctl_cost_dollars_total",
    "llmctl_cache_requests_total",
    "llmctl_cache_error_bound",
    "llmctl_cache_memory",
    "llmctl_cache_saved_tokens_total",
    "llmctl_compressed_tokens_total",
    "llmctl_guard_verdicts_total",
    "llmctl_breakers_open",
    "llmctl_breaker_state",
    "llmctl_breaker_transitions_total",
    "llmctl_route_decisions_total",
    "llmctl_degraded_total",
    "llmctl_shadow_requests_total",
    "llmctl_queue_depth",
    "llmctl_in_flight",
    "llmctl_model_in_flight",
    "llmctl_limit_remaining_ratio",
    "llmctl_budget_spent_dollars",
    "llmctl_budget_remaining_ratio",
    "llmctl_records_written_total",
    "llmctl_records_dropped_total",
    "llmctl_records_lag_seconds",
    "llmctl_records_queue_bytes",
    "llmctl_request_log_lines_total",
    "llmctl_metrics_errors_total",
    "llmctl_build_info",
    "llmctl_workers",
    "llmctl_loop_lag_seconds",
    "llmctl_config_reloaded_timestamp_seconds",
    "llmctl_config_reload_ok",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
}  # of the issue


def ask(served: Served, model: str = "small", *, content: str = "hello", **rest: Any) -> httpx.Response:
    """Over a connection of its own, which the system gives to one of the workers."""
    body = {"model": model, "messages": [{"role": "user", "content": content}], **rest}
    return httpx.post(f"{served.url}/v1/chat/completions", json=body, timeout=30, verify=NO_TLS)


def scrape(served: Served) -> dict[str, float]:
    """Samples by name and labels, of the worker that happens to answer."""
    text = httpx.get(f"{served.url}/metrics", timeout=30, verify=NO_TLS).text
    return {f"{s.name}{sorted(s.labels.items())}": s.value for s in samples(text)}


def total(found: dict[str, float], name: str) -> float:
    return sum(value for key, value in found.items() if key.startswith(f"{name}["))


def until(what: str, condition: Any, within: float = 20.0) -> None:
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, f"not within {within} s: {what}"
        time.sleep(0.05)


def grown(before: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    """The counters of `now`, none of which is lower than before, or gone."""
    assert not {key: (value, now.get(key)) for key, value in before.items() if now.get(key, 0.0) < value - 1e-9}
    suffixes = ("_total", "_count", "_bucket")
    return {key: value for key, value in now.items() if key.partition("[")[0].endswith(suffixes)}


def children(served: Served) -> list[int]:
    pid = served.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_nothing_is_missing_and_exemplars_carry_ids(tmp_path: Path) -> None:
    with serve(WORKING, tmp_path) as served:
        ids = {ask(served, content=f"number {i}", stream=i % 2 == 0).headers["x-llmctl-request-id"] for i in range(6)}
        answer = httpx.get(f"{served.url}/metrics", headers={"accept": OPENMETRICS})
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        families = {family.name: family for family in strictly(answer.text)}
        plain = httpx.get(f"{served.url}/metrics").text
        until("the log is written", lambda: total(scrape(served), "llmctl_request_log_lines_total") == 6)
        lines = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
        assert served.stop() == 0
    declared = {line.split()[2] for line in plain.splitlines() if line.startswith("# TYPE ")}
    assert not (CONVENTIONAL | BESIDE) - declared
    trails = [s.exemplar for s in families["gen_ai_server_request_duration_seconds"].samples if s.exemplar]
    trails += [s.exemplar for s in families["llm_latency_seconds"].samples if s.exemplar]
    assert trails
    assert {trail.labels["request_id"] for trail in trails} <= ids
    by_id = {line["request_id"]: line for line in lines}
    assert set(by_id) == ids
    assert all(by_id[trail.labels["request_id"]]["trace_id"] == trail.labels["trace_id"] for trail in trails)
    assert b"request_id" not in plain.encode()


def test_two_workers_count_as_one(tmp_path: Path) -> None:
    with serve(WORKING, tmp_path, ["--workers", "2"]) as served:
        until("both workers show themselves", lambda: total(scrape(served), "llmctl_workers") == 2)
        for number in range(40):
            assert ask(served, content=f"number {number}").status_code == 200
        until("all are counted", lambda: total(scrape(served), "llmctl_requests_total") >= 40)
        found = scrape(served)
        for name in ("llmctl_requests_total", "llm_requests_total", "llm_latency_seconds_count"):
            assert total(found, name) == 40
        until("all are written", lambda: total(scrape(served), "llmctl_records_written_total") == 40)
        until("all are logged", lambda: total(scrape(served), "llmctl_request_log_lines_total") == 40)
        assert {json.loads(line)["status"] for line in (tmp_path / "requests.jsonl").read_text().splitlines()} == {200}

        def trip() -> bool:
            ask(served, "dead", content=os.urandom(4).hex())
            return total(scrape(served), "llmctl_breakers_open") == 2

        until("both workers have opened their breaker", trip)
        found = scrape(served)
        assert found["llmctl_breaker_state[('model', 'dead')]"] == 2  # the highest, not the sum
        assert found["llmctl_config_reload_ok[]"] == 1  # the least
        assert abs(found["llmctl_config_reloaded_timestamp_seconds[]"] - time.time()) < 120
        assert found["process_resident_memory_bytes[]"] > 2 * 30 * 1024**2

        slow = [threading.Thread(target=ask, args=(served, "slow"), kwargs={"content": str(i), "stream": True})
                for i in range(6)]  # fmt: skip
        for thread in slow:
            thread.start()
        until("all are under way", lambda: total(scrape(served), "llmctl_model_in_flight") == 6)
        until("of the gateway too", lambda: total(scrape(served), "llmctl_in_flight") == 6)
        for thread in slow:
            thread.join()
        until("none is", lambda: total(scrape(served), "llmctl_in_flight") == 0)
        assert served.stop() == 0


def test_counters_never_go_back_when_a_worker_is_killed(tmp_path: Path) -> None:
    answered, stop = [0] * 3, threading.Event()

    def load(own: int) -> None:
        while not stop.is_set():
            with suppress(httpx.TransportError):  # its worker was killed
                answered[own] += ask(served, content=f"{own} {answered[own]}").status_code == 200

    with serve(WORKING, tmp_path, ["--workers", "2"]) as served:
        until("both workers show themselves", lambda: total(scrape(served), "llmctl_workers") == 2)
        threads = [threading.Thread(target=load, args=(own,)) for own in range(3)]
        for thread in threads:
            thread.start()
        seen: dict[str, float] = {}
        for goal in (30, 60):
            give_up = time.monotonic() + 30
            while sum(answered) < goal or total(seen, "llmctl_requests_total") < goal - 30:
                assert time.monotonic() < give_up
                with suppress(httpx.TransportError):
                    seen = grown(seen, scrape(served))
            if goal == 30:
                killed = children(served)[0]
                os.kill(killed, signal.SIGKILL)
        until("another has come", lambda: total(scrape(served), "llmctl_workers") == 2)
        assert killed not in children(served)
        stop.set()
        for thread in threads:
            thread.join()
        seen = grown(seen, scrape(served))
        # Of the killed worker at most the last second is not in the sum, and nothing is in it twice.
        assert 30 <= total(scrape(served), "llmctl_requests_total") <= sum(answered) + 3
        assert served.stop() == 0


def test_a_request_log_that_cannot_be_written_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    with serve(WORKING.replace("requests.jsonl", "/dev/full"), tmp_path) as served:
        for number in range(3):
            assert ask(served, content=str(number)).status_code == 200
        until("the loss is logged", lambda: served.events("request_log"))
        assert served.stop() == 0
    assert "No space left" in served.events("request_log")[0]["detail"]


def test_request_lines_and_operational_lines_share_stdout(tmp_path: Path) -> None:
    with serve(WORKING.replace("requests.jsonl", "stdout"), tmp_path, ["--workers", "2"]) as served:
        ids = {ask(served, content=str(number)).headers["x-llmctl-request-id"] for number in range(20)}
        until("all are logged", lambda: {line["request_id"] for line in served.events("request")} == ids)
        assert served.stop() == 0
    assert not served.events("not_json")
    assert {line["state"] for line in served.events("request")} == {"ok"}
