"""One record as text for people: head, timeline, verdicts, and what was said."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from llmctl.commands.traces_waterfall import waterfall
from llmctl.model.record import Record
from llmctl.reports.text import plain as on_a_line

_STYLES = {"ok": "green", "blocked": "yellow", "failed": "red", "aborted": "magenta"}


def plain(text: str) -> str:
    """`text` without what a terminal would obey: it came from clients and providers."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape", "replace").decode() for c in text
    )


def print_record(record: Record, console: Any) -> None:
    """Print `record` on a rich console."""
    from rich.text import Text

    state = Text(record.state, style=_STYLES.get(record.state, ""))
    console.print(Text.assemble(on_a_line(record.id), "  ", state, f"  {record.http_status}"))
    for name, value in _head(record):
        console.print(Text(f"  {name:<11}{on_a_line(value)}"))
    console.print(Text("\ntimeline"))
    ascii_only = not console.encoding.startswith("utf")
    for drawn in waterfall(record, console.width, ascii_only=ascii_only):
        console.print(drawn, soft_wrap=True)
    for name, lines in (
        ("guards", _guards(record)),
        ("request", _said(record.request)),
        ("response", _said(record.response)),
    ):
        if body := list(lines):
            console.print(Text(f"\n{name}"))
            for line in body:
                console.print(Text(plain(line)), soft_wrap=True)


def _head(record: Record) -> Iterator[tuple[str, str]]:
    started = datetime.fromtimestamp(record.started, UTC).isoformat(sep=" ", timespec="milliseconds")
    stream = f", first token {_ms(record.ttft_us)}, {record.chunks} chunks" if record.ttft_us is not None else ""
    yield "started", started
    yield "took", f"{_ms(record.duration_us)}, of it ours {_ms(record.overhead_us)}{stream}"
    yield "call", f"{record.dialect} {record.operation}{' (stream)' if record.stream else ''}"
    yield "caller", f"tenant {record.tenant or '-'}, key {record.key or '-'}"
    yield "model", " > ".join(dict.fromkeys(filter(None, (record.requested_model, record.model, record.served_model))))
    if made := record.decision:
        arm = f", arm {made.arm} of {made.experiment}" if made.experiment else ""
        panel = f", after asking {', '.join(made.panel)}" if made.panel else ""
        yield "routed", f"by {made.strategy}: {made.reason} (probability {made.propensity:g}){arm}{panel}"
    if record.degraded:
        yield "degraded", record.degraded
    if cache := record.cache:
        similarity = "" if cache.similarity is None else f", similarity {cache.similarity:.3f}"
        age = "" if cache.age_s is None else f", {cache.age_s:.0f} s old"
        saved = f", saved {cache.saved.prompt + cache.saved.completion} tokens" if cache.saved else ""
        yield "cache", cache.kind + similarity + age + saved
    if squeezed := record.compression:
        yield "compress", f"{squeezed.before} tokens to {squeezed.after}, by estimate"
    usage = record.usage
    cached = (
        f" ({usage.cached_read} read from cache, {usage.cached_write} written)" if usage.prompt > usage.input else ""
    )
    yield "tokens", f"{usage.prompt} in{cached}, {usage.completion} out ({usage.source})"
    dollars = "no price known" if record.cost.usd is None else f"${record.cost.usd:.6f}"
    version = f", prices {record.cost.price_version}" if record.cost.price_version else ""
    yield "cost", f"{dollars} ({record.cost.status}{version})"
    if wasted := record.discarded.prompt + record.discarded.completion:
        yield "discarded", f"{wasted} of these tokens were paid for beside the answer"
    if record.finish_reason:
        yield "finish", record.finish_reason
    if record.failure:
        yield "failure", f"{record.failure.status} {record.failure.code}: {record.failure.message}"
    yield from (
        ("breaker", f"{turn.target}: {turn.before} > {turn.after} ({turn.reason})") for turn in record.transitions
    )
    if record.tags:
        yield "tags", ", ".join(f"{name}={value}" for name, value in record.tags.items())
    if record.batch:
        yield "batch", record.batch
    if record.shadow_of:
        yield "copy of", record.shadow_of
    yield "policy", record.policy or "-"
    if record.trace_id:
        yield "trace", record.trace_id


def _guards(record: Record) -> Iterator[str]:
    for result in record.guards:
        score = "" if result.score is None else f" score {result.score:.3f}"
        detail = ", ".join(filter(None, (result.category, result.reason)))
        took = f" in {_ms(result.duration_us)}" if result.duration_us else ""
        what = f"{result.direction} {result.guard}: {result.verdict}, {result.action}{score}{took}"
        yield f"  {what}{f' ({detail})' if detail else ''}"
    if record.passed:
        yield f"  nothing found: {', '.join(record.passed)}"


def _said(body: Any) -> Iterator[str]:
    """The conversation in an OpenAI or Anthropic body; its JSON where there is none."""
    turns = list(_turns(body)) if isinstance(body, dict) else []
    if not turns and body is not None:
        turns = [("", body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False))]
    for role, text in turns:
        yield from (f"  {role + ': ' if role and not i else ''}{line}" for i, line in enumerate(text.split("\n")))


def _turns(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if system := body.get("system"):
        yield "system", _text(system)
    for turn in [*_dicts(body.get("messages")), *(c.get("message") or c for c in _dicts(body.get("choices")))]:
        if "text" in turn:
            yield "", _text(turn["text"])
        elif turn.get("content") is not None:
            yield str(turn.get("role", "")), _text(turn["content"])
        for call in _dicts(turn.get("tool_calls")):
            function = call.get("function")
            if isinstance(function, dict):
                yield "calls", f"{function.get('name')}({function.get('arguments')})"
    if "messages" not in body and body.get("content") is not None:
        yield str(body.get("role", "")), _text(body["content"])


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = _dicts(content)
    if parts and all(isinstance(part.get("text"), str) for part in parts):
        return "\n".join(part["text"] for part in parts)
    return json.dumps(content, ensure_ascii=False)


def _ms(us: int) -> str:
    return f"{us / 1000:.2f} ms"
