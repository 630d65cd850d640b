"""A gateway that has shown every metric there is: a process of its own, with a bit of every kind of traffic."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from llmctl.testing.process import Served, serve

CONFIG = """
    server: {drain_timeout: 1s}
    guardrails:
      preset: none
      policies:
        pii: {kind: pii, on_error: block, actions: {"*": redact}}
        no-casino: {kind: topics, on_error: block, direction: input, options: {deny: {gambling: [casino]}}}
        words: {kind: pattern, on_error: block, mode: shadow, options: {patterns: [{name: a, regex: aardvark}]}}
        rate: {kind: rate_limit, on_error: block, options: {per: [], requests_per_minute: 60000}}
        json: {kind: schema, on_error: allow, options: {only_when_asked: true}}
    providers:
      up: {kind: scripted, latency: 20ms, tokens: 8, token_rate: 400}
      broken: {kind: scripted, faults: [{kind: error, status: 500}]}
    models:
      small: {provider: up, concurrency: 8}
      large: {provider: up}
      bad: {provider: broken}
    routes:
      choice: {kind: weighted, weights: {small: 1, large: 1}}
      frail: {kind: fixed, model: bad, fallbacks: [small]}
      tried: {kind: fixed, model: small, experiment: {kind: shadow, name: x, model: large, share: 1}}
    resilience: {retry: {backoff: 0}, breaker: {minimum_calls: 4, open_for: 60s}, probe_every: null}
    cache:
      dir: null
      semantic: {max_error: 0.5}
      routes: {choice: {enabled: false}, tried: {enabled: false}, large: {semantic: {threshold: 0.5}}}
    compress: {kind: extractive, min_tokens: 50}
    budgets: {dir: budgets, limits: {daily: {usd: 1000, every: day, per: []}}}
    prices: {models: {small: {input: 0.15, output: 0.6}, large: {input: 2, output: 8}, bad: {input: 1, output: 1}}}
    records: {dir: records}
    batches: {dir: batches}
    evals: {polite: {sample: 1, per_minute: 6000, scorers: [{kind: not-refusal}, {kind: words, most: 500}]}}
    alerts: {slos: slo.yaml, every: 1s, state: alerts}
    telemetry: {request_log: requests.jsonl, otlp: {endpoint: "http://127.0.0.1:9", sample: 1}}
"""
PROMISES = """
    service: llmctl
    slos:
      availability:
        {kind: availability, objective: 0.95, window: 30d, severity: ticket, runbook: runbooks/availability.md}
    notify:
      page: {slack: {api_url_file: FOLDER/slack_url, channel: "#ops"}}
      ticket: {slack: {api_url_file: FOLDER/slack_url, channel: "#ops"}}
"""
LONG = " ".join(f"In the year {1500 + i} the palace had {i} new windows and a red door." for i in range(60))


@contextmanager
def busy(folder: Path) -> Iterator[Served]:
    """The process, after its traffic; `traffic` makes more."""
    (folder / "slo.yaml").write_text(PROMISES.replace("FOLDER", str(folder)))
    (folder / "slack_url").write_text("http://127.0.0.1:9/slack")
    with serve(CONFIG, folder) as served:
        traffic(served)
        yield served


def traffic(served: Served) -> None:
    """Whole answers and streams, hits and misses, refusals, failures, fallbacks, copies, embeddings."""
    with httpx.Client(base_url=f"{served.url}/v1", timeout=30) as client, ThreadPoolExecutor(4) as pool:
        asked = [
            *(chat(model=model, text=f"What is {i} times {model}?") for i in range(4) for model in ("small", "choice")),
            *(chat(model="tried", text=f"Question {i}", stream=True) for i in range(4)),
            *(chat(model="frail", text=f"Anything {i}") for i in range(6)),
            *(chat(model="bad", text=f"Anything {i}") for i in range(3)),
            *(chat(model="small", text="How deep is the sea?") for _ in range(4)),
            *(chat(model="small", text=text) for text in ("I am a@example.com", "To the casino!", "an aardvark")),
            chat(model="large", text=f"{LONG}\n\nWhen was the door red?"),
            chat(model="nobody", text="Hello"),
        ]
        client.post("/chat/completions", json=chat(model="large", text="How deep is the sea?"))
        list(pool.map(lambda body: client.post("/chat/completions", json=body), asked))
        # What means the same is found once the first answer is in the index, shortly after it went out.
        client.post("/chat/completions", json=chat(model="large", text="How deep is the sea, then?"))
        client.post("/embeddings", json={"model": "small", "input": "one"})


def chat(*, model: str, text: str, stream: bool = False) -> dict[str, Any]:
    """A request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
