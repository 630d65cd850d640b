"""One record as OpenTelemetry's spans: the exchange, its stages, its attempts, its guards that found or cost something.

Import it only where spans are sent: it brings the SDK, 12 MB and 0.3 s.
"""

from collections.abc import Mapping
from hashlib import blake2b

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from llmctl.model.record import Attempt, GuardResult, Record
from llmctl.telemetry.semconv import OPERATIONS, RUN_GUARDRAIL
from llmctl.telemetry.span_attributes import LONGEST, Attributes, Wording

SAMPLED = TraceFlags(TraceFlags.SAMPLED)
UNSET = Status(StatusCode.UNSET)
LATEST_NS = 2**62  # well within OTLP's 64 bits, and 146 years after the epoch
ODD = 0x9E3779B97F4A7C15  # its multiples do not repeat within 2^64
LEFT = frozenset({"cancelled"})
"""An attempt that ended so was given up by us (another was faster, the client left): no failure of its own."""


class SpanBuilder:
    """Builds spans. Nothing is drawn at random: a record has the same ids whenever and wherever it is built."""

    def __init__(self, wording: Wording, resource: Resource, version: str) -> None:
        self._wording = wording
        self._resource = resource
        self._scope = InstrumentationScope("llmctl", version)

    def configure(self, providers: Mapping[str, str]) -> None:
        """`providers` are kinds by name, for `gen_ai.provider.name`."""
        self._wording.providers = dict(providers)

    def spans(self, record: Record, why: str = "") -> list[ReadableSpan]:
        """Every span of `record`, the exchange's own first. `why` is why it was sampled. Never raises."""
        return _Exchange(self._wording, self._resource, self._scope, record).spans(why)


class _Exchange:
    """One record's spans while they are built. Whatever it claims, all of them lie within the first."""

    def __init__(self, wording: Wording, resource: Resource, scope: InstrumentationScope, record: Record) -> None:
        self._wording = wording
        self._resource = resource
        self._scope = scope
        self._record = record
        digest = blake2b(f"{record.trace_id}/{record.span_id}/{record.id}".encode(), digest_size=24).digest()
        self._seed, self._given = int.from_bytes(digest[:8]), set[int]()
        self._trace = _hex(record.trace_id, 128) or int.from_bytes(digest[8:]) or 1
        self._length = max(0, min(record.duration_us, LATEST_NS // 1000)) * 1000
        wall = record.started if 0 <= record.started <= 4e9 else 0.0  # also where it is not a number
        self._start = int(wall * 1e6) * 1000
        self._spans: list[ReadableSpan] = []
        self._stages: dict[str, tuple[SpanContext, int, int]] = {}

    def spans(self, why: str) -> list[ReadableSpan]:
        record = self._record
        root = self._root(why)
        for stage in record.stages:
            start, end = self._within(stage.start_us, stage.duration_us)
            context = self._context()
            self._add(stage.name or "stage", context, root, start, end, {})
            self._stages.setdefault(stage.name, (context, start, end))
        for attempt in record.attempts:
            self._attempt(attempt, root)
        for result in record.guards:  # those that found nothing in no time are a list of the exchange's own span
            self._guard(result, root)
        return self._spans

    def _root(self, why: str) -> SpanContext:
        """The exchange's own span. A mirror of another exchange has that one's ids, so it is a span below it."""
        record = self._record
        said = self._wording.exchange(record) | ({"llmctl.sampled": why} if why else {})
        operation = OPERATIONS.get(record.operation, record.operation) or "request"
        name = f"{operation} {record.requested_model[:LONGEST]}" if record.requested_model else operation
        parent: SpanContext | None = None
        if record.shadow_of:
            context = self._context()
            if own := _hex(record.span_id, 64):
                parent = SpanContext(self._trace, own, is_remote=False, trace_flags=SAMPLED)
        else:
            context = self._context(record.span_id)
            if caller := _hex(record.parent_span_id, 64):
                parent = SpanContext(self._trace, caller, is_remote=True, trace_flags=SAMPLED)
        kind = SpanKind.INTERNAL if record.shadow_of else SpanKind.SERVER
        self._add(name, context, parent, self._start, self._start + self._length, said, kind, self._status())
        return context

    def _status(self) -> Status:
        """An error where the exchange failed; what a policy stopped, and a client that left, is none."""
        record, failure = self._record, self._record.failure
        if record.state != "failed" and (failure is None or failure.status < 500):
            return UNSET
        return Status(StatusCode.ERROR, failure.message[:LONGEST] if failure is not None else record.state)

    def _attempt(self, attempt: Attempt, root: SpanContext) -> None:
        said = self._wording.attempt(attempt, self._record.operation)
        operation = OPERATIONS.get(self._record.operation, self._record.operation) or "request"
        bad = attempt.error is not None and attempt.error not in LEFT
        status = Status(StatusCode.ERROR, attempt.failure or attempt.error) if bad else UNSET
        parent = self._stages["upstream"][0] if "upstream" in self._stages else root
        start, end = self._within(attempt.start_us, attempt.duration_us)
        context = self._context(attempt.span_id)
        self._add(f"{operation} {attempt.model}", context, parent, start, end, said, SpanKind.CLIENT, status)

    def _guard(self, result: GuardResult, root: SpanContext) -> None:
        """When in its stage a guard ran is in no record: its span begins with the stage's, and is as long as it took.

        Over a stream it takes longer than its stage, as it works while the answer passes by.
        """
        said = self._wording.guard(result)
        parent, start, stop = self._stages.get(
            f"{result.direction}_guards", (root, self._start, self._start + self._length)
        )
        start, end = self._within((start - self._start) // 1000, result.duration_us)
        status = Status(StatusCode.ERROR, "guard_failed") if result.verdict == "error" else UNSET
        self._add(
            f"{RUN_GUARDRAIL} {result.guard}", self._context(), parent if end <= stop else root, start, end, said,
            status=status,
        )  # fmt: skip

    def _within(self, start_us: int, duration_us: int) -> tuple[int, int]:
        """(start, end) in nanoseconds since the epoch, cut to the exchange's own."""
        start = max(0, min(start_us * 1000, self._length))
        end = max(start, min((start_us + duration_us) * 1000, self._length))
        return self._start + start, self._start + end

    def _context(self, wanted: str = "") -> SpanContext:
        """A context of this trace with the id `wanted`, or one of its own where that is none or was given before."""
        own = _hex(wanted, 64)
        while not own or own in self._given:
            self._seed = (self._seed + ODD) % 2**64
            own = self._seed
        self._given.add(own)
        return SpanContext(self._trace, own, is_remote=False, trace_flags=SAMPLED)

    def _add(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        start: int,
        end: int,
        attributes: Attributes,
        kind: SpanKind = SpanKind.INTERNAL,
        status: Status = UNSET,
    ) -> None:
        self._spans.append(
            ReadableSpan(
                name,
                context,
                parent,
                self._resource,
                attributes,
                kind=kind,
                status=status,
                start_time=start,
                end_time=end,
                instrumentation_scope=self._scope,
            )
        )


def _hex(text: str, bits: int) -> int:
    """The id that `text` writes, or 0 where it writes none."""
    if len(text) * 4 != bits or not text.isascii() or not text.isalnum():
        return 0
    try:
        return int(text, 16)
    except ValueError:
        return 0
