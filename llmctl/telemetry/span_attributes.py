"""What a span says: attributes of the exchange, its attempts and its guards, by the conventions' names and ours."""

from collections.abc import Mapping
from typing import Any

import msgspec

from llmctl.model.record import Attempt, GuardResult, Record
from llmctl.telemetry import semconv
from llmctl.telemetry.span_messages import answered, asked

Attributes = dict[str, Any]
MOST = 2**63 - 1  # OTLP's integers have 64 bits and a sign
LONGEST = 1024  # characters of what an error or a reason says, and of names that clients and providers chose
VERDICTS = {"allow": "allow", "warn": "warn", "redact": "modify", "block": "deny"}
ACTIONS = {
    "allow": "allow",
    "redact": "modify",
    "block": "block",
    "warn": "audit",
    "would_warn": "audit",
    "would_redact": "audit",
    "would_block": "audit",
}


def bounded(number: int) -> int:
    """`number`, or the nearest that can be sent."""
    return max(-MOST, min(MOST, number))


class Wording:
    """Says things in one version of the conventions. `providers` are kinds by the names the configuration gives."""

    def __init__(self, names: semconv.SpanNames, *, content: bool) -> None:
        self.names = names
        self.providers: Mapping[str, str] = {}
        self._content = content

    def exchange(self, record: Record) -> Attributes:
        """Of the exchange's own span."""
        names, usage = self.names, record.usage
        said: Attributes = {
            names.operation: semconv.OPERATIONS.get(record.operation, record.operation),
            names.provider: self._provider(record.provider),
            names.request_model: record.requested_model[:LONGEST],
            names.response_model: record.served_model[:LONGEST],
            names.stream: record.stream,
            names.status_code: bounded(record.http_status),
        }
        if record.finish_reason is not None:
            said[names.finish_reasons] = (record.finish_reason[:LONGEST],)
        if record.ttft_us is not None:
            said[names.first_chunk] = record.ttft_us / 1e6
        if usage.source != "none":
            said[names.input_tokens] = bounded(usage.prompt)
            said[names.output_tokens] = bounded(usage.completion)
            for name, count in (
                (names.cache_read, usage.cached_read),
                (names.cache_creation, usage.cached_write),
                (names.reasoning, usage.reasoning),
            ):
                if count:
                    said[name] = bounded(count)
        if record.failure is not None:
            said[names.error] = record.failure.code or "_OTHER"
        said |= _ours(record) | _decided(record)
        if self._content:
            said |= self._said(record)
        return _present(said)

    def attempt(self, attempt: Attempt, operation: str) -> Attributes:
        """Of one call of a provider."""
        names = self.names
        said: Attributes = {
            names.operation: semconv.OPERATIONS.get(operation, operation),
            names.provider: self._provider(attempt.provider),
            names.request_model: attempt.model,
            "llmctl.attempt.target": attempt.target,
            "llmctl.attempt.why": attempt.why,
            "llmctl.attempt.failure": attempt.failure,
            names.error: attempt.error or "",
        }
        if attempt.status is not None:
            said[names.status_code] = bounded(attempt.status)
        if attempt.first_byte_us is not None:
            said[names.first_chunk] = max(0, attempt.first_byte_us - attempt.start_us) / 1e6
        return _present(said)

    def guard(self, result: GuardResult) -> Attributes:
        """Of one guard. A guard that failed or had nothing to judge has no verdict.

        Each attribute costs two microseconds to encode: of those that found nothing only what is not plain is said.
        """
        names = self.names
        said: Attributes = {
            names.operation: semconv.RUN_GUARDRAIL,
            names.guardrail: result.guard,
            names.target: result.direction,
            names.verdict: VERDICTS.get(result.verdict, ""),
            names.policy: result.policy if result.policy != result.guard else "",
        }
        if result.score is not None:
            said[names.score] = result.score
        if result.verdict == "allow" and result.action == "allow":
            return _present(said)
        found = result.verdict in ("warn", "redact", "block")
        said |= {
            names.action: ACTIONS[result.action],
            names.policy: result.policy,
            names.category: result.category,
            names.reason: result.reason[:LONGEST] if found else "",
            names.error: "guard_failed" if result.verdict == "error" else "",
            "llmctl.guard.verdict": result.verdict,
            "llmctl.guard.action": result.action,
        }
        return _present(said)

    def _provider(self, name: str) -> str:
        kind = self.providers.get(name, name)
        return semconv.PROVIDERS.get(kind, kind)

    def _said(self, record: Record) -> Attributes:
        names = self.names
        pairs = ((names.input_messages, asked(record.request)), (names.output_messages, answered(record.response)))
        return {name: msgspec.json.encode(messages).decode() for name, messages in pairs if messages}


def _ours(record: Record) -> Attributes:
    """What no convention has a name for: who asked, what it cost, how it went."""
    cost = record.cost
    said: Attributes = {
        "llmctl.request.id": record.id,
        "llmctl.state": record.state,
        "llmctl.tenant": record.tenant,
        "llmctl.key": record.key,
        "llmctl.dialect": record.dialect,
        "llmctl.policy.digest": record.policy,
        "llmctl.model": record.model,
        "llmctl.overhead": record.overhead_us / 1e6,
        "llmctl.degraded": record.degraded or "",
        "llmctl.shadow_of": record.shadow_of,
        "llmctl.batch.id": record.batch,
        "llmctl.cost.status": cost.status,
        "llmctl.guards.passed": tuple(record.passed),
        "llmctl.breakers": tuple(f"{one.target}: {one.before} to {one.after}" for one in record.transitions),
    }
    if cost.usd is not None:
        said["llmctl.cost.usd"] = cost.usd
    if record.chunks:
        said["llmctl.chunks"] = bounded(record.chunks)
    if record.discarded.source != "none":
        said["llmctl.discarded.input_tokens"] = bounded(record.discarded.prompt)
        said["llmctl.discarded.output_tokens"] = bounded(record.discarded.completion)
    return said | {f"llmctl.tag.{name}": value for name, value in record.tags.items()}


def _decided(record: Record) -> Attributes:
    """Why this model, what the cache said, and what was compressed."""
    said: Attributes = {}
    if (decision := record.decision) is not None:
        said = {
            "llmctl.decision.model": decision.model,
            "llmctl.decision.strategy": decision.strategy,
            "llmctl.decision.reason": decision.reason[:LONGEST],
            "llmctl.decision.propensity": decision.propensity,
            "llmctl.decision.panel": decision.panel,
            "llmctl.experiment.name": decision.experiment,
            "llmctl.experiment.arm": decision.arm,
        }
    if (cache := record.cache) is not None:
        said["llmctl.cache.outcome"] = cache.kind
        if cache.similarity is not None:
            said["llmctl.cache.similarity"] = cache.similarity
        if cache.age_s is not None:
            said["llmctl.cache.age"] = cache.age_s
    if record.compression is not None:
        said["llmctl.compression.before"] = bounded(record.compression.before)
        said["llmctl.compression.after"] = bounded(record.compression.after)
    return said


def _present(said: Attributes) -> Attributes:
    return {name: value for name, value in said.items() if value not in ("", ())}
