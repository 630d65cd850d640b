"""Prometheus metrics, all derived from records.

Label values come only from the configuration and from tables in this file, so no client can add a series. Each
combination's series are bound together once and then found by one look-up. The aliases of metrics are made at
scrape time from the series they repeat; they cost a request nothing.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from llmctl.model.record import Attempt, Passed, Record
from llmctl.telemetry import semconv
from llmctl.telemetry.cost_metrics import CostMetrics
from llmctl.telemetry.routing_metrics import RoutingMetrics
from llmctl.telemetry.series import Cell, Families, Family, Kind
from llmctl.telemetry.shared_metrics import SharedMetrics

Over = Literal["gauge", "peak", "least"]
OTHER = "other"
NONE = "none"
OVERHEAD_BUCKETS = tuple(25e-6 * 2**i for i in range(16))
_OPERATIONS = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings"}
_DIALECTS = {name: name for name in ("openai", "anthropic", "responses")}
_STATUSES = {
    code: str(code)
    for code in (
        200,
        400,
        401,
        402,
        403,
        404,
        405,
        408,
        409,
        413,
        415,
        422,
        429,
        431,
        499,
        500,
        501,
        502,
        503,
        504,
        529,
    )
}
_OUTCOMES = frozenset(
    {"upstream_unreachable", "upstream_timeout", "upstream_connection_lost", "upstream_protocol_error"}
    | {"upstream_error", "unsupported_by_provider", "client_closed_request"}
)


class Watched(Protocol):
    """What is shown of a record store."""

    @property
    def written(self) -> int: ...  # noqa: D102
    @property
    def dropped(self) -> Mapping[str, int]: ...  # noqa: D102
    @property
    def queued_bytes(self) -> int: ...  # noqa: D102
    @property
    def lag_seconds(self) -> float: ...  # noqa: D102


class Counted(Protocol):
    """Something that counts what became of what it was given, such as a request log or an exporter of spans."""

    def counts(self) -> Mapping[str, float]: ...  # noqa: D102


@dataclass(slots=True)
class _Bound:
    """The series of one combination of labels."""

    requests: Cell
    duration: Cell
    prompt: Cell
    completion: Cell
    first_token: Cell
    output_token: Cell
    tokens: tuple[Cell, Cell, Cell, Cell, Cell]


class MetricsSink:
    """A Sink that counts, and `/metrics`. It outlives reloads of the configuration: see `configure`.

    With `shared`, a scrape shows the sum over all workers; somebody must then call `publish` every second.
    """

    def __init__(
        self, registry: CollectorRegistry, *, version: str, semconv_version: str, shared: SharedMetrics | None = None
    ) -> None:
        """Raises KeyError for a `semconv_version` that nobody wrote down."""
        self._registry = registry
        self._version = version
        self._shared = shared
        self._families: Families = {}
        self._functions: list[tuple[Cell, Callable[[], float]]] = []
        self._mapped: list[tuple[Family, Callable[[], Mapping[str, float]]]] = []
        self._counted: list[tuple[Family, Counted]] = []
        self._watched: Watched | None = None
        self._models: dict[str, str] = {}
        self._providers: dict[str, str] = {}
        self._bound: dict[tuple[str, str, str, str, str], _Bound] = {}
        self._attempts: dict[tuple[str, str, str, str, str], tuple[Cell, Cell]] = {}
        self._guards: dict[str, str] = {}
        self._judged: dict[tuple[str, str, str], Cell] = {}
        self._quiet: dict[Passed, Cell] = {}
        self._declare(semconv.VERSIONS[semconv_version])
        registry.register(self)

    def configure(
        self, *, models: Iterable[str], providers: Iterable[str], policy: str, guards: Iterable[str] = ()
    ) -> None:
        """Take over the names that may be label values, at start and whenever the configuration was reloaded."""
        self._guards = {name: name for name in guards}
        self._models = {name: name for name in models}
        self._providers = {"": NONE} | {name: name for name in providers}
        self._info.cells = {(self._version, policy): Cell(1.0)}

    def transition(self, model: str, before: str, after: str, reason: str) -> None:
        """A model's breaker has changed its state."""
        self._routing.transition(model, before, after, reason)

    def write(self, record: Record) -> None:
        """Count `record`. Never raises."""
        try:
            if record.shadow_of:
                self._routing.shadowed(record)
            else:
                self._count(record)
        except Exception:  # a record nobody expected must not fail the request it is about
            self._errors.value += 1

    def close(self) -> None:
        """Hand the counts over to the worker that comes next."""
        if self._shared:
            self._shared.close(self._refreshed())

    def gauge(self, name: str, help_: str, function: Callable[[], float], *, over: Over = "gauge") -> None:
        """Show what `function` says at scrape time: over all workers the sum, or the peak, or the least."""
        self._functions.append((self._family(name, help_, over).cell(), function))

    def gauges(
        self, name: str, help_: str, label: str, function: Callable[[], Mapping[str, float]], *, over: Over = "gauge"
    ) -> None:
        """The same by the label's value, which must come from the configuration or a fixed table."""
        self._mapped.append((self._family(name, help_, over, label), function))

    def counter(self, name: str, help_: str, function: Callable[[], float]) -> None:
        """Show what `function` has counted, which never goes back in this process."""
        self._functions.append((self._family(name, help_, "counter").cell(), function))

    def counted(self, name: str, help_: str, label: str, counted: Counted) -> None:
        """Show what `counted` has counted, by the label's value. It must be the same for the life of this process."""
        self._counted.append((self._family(name, help_, "counter", label), counted))

    def histogram(self, name: str, help_: str, bounds: tuple[float, ...]) -> Callable[[float], None]:
        """What observes a value, for the event loop alone; `bounds` are the buckets' upper ones."""
        return partial(_observe, self._family(name, help_, "histogram", bounds=bounds).cell(), bounds)

    def watch(self, store: Watched) -> None:
        """Show `store`'s figures. Its counters are taken as they are: watch one store for life."""
        self._watched = store
        age = "Age of the oldest record that waits."
        self.gauge("llmctl_records_lag_seconds", age, lambda: store.lag_seconds, over="peak")
        self.gauge("llmctl_records_queue_bytes", "Bytes that wait for the disk.", lambda: store.queued_bytes)
        self.counter("llmctl_records_written_total", "Records on disk.", lambda: store.written)
        self._family("llmctl_records_dropped_total", "Records dropped.", "counter", "reason")

    def publish(self) -> None:
        """Let the other workers' scrapes include this worker."""
        if self._shared:
            self._shared.publish(self._refreshed())

    def families(self) -> Families:
        """Every family as it is now, over all workers, by name. Not to be changed. Milliseconds: run it in a thread."""
        families = self._refreshed()
        return self._shared.total(families) if self._shared else families

    def aliases(self, families: Families) -> Iterator[Family]:
        """What is shown under other names too, made of `families`."""
        yield families["llmctl_requests_total"].project("llm_requests_total", "counter", "model", "status")
        latency = families[self._names.server_duration].project("llm_latency_seconds", "histogram", self._names.model)
        latency.labels = ("model",)
        yield latency
        yield families["llmctl_cost_dollars_total"].project("llm_cost_dollars", "unknown", "model")

    def collect(self) -> Iterator[Metric]:
        """For the registry: every family, and the aliases."""
        families = self.families()
        for family in [*families.values(), *self.aliases(families)]:
            yield family.metric()

    def render(self, accept: str) -> tuple[bytes, str]:
        """(body, content type) of `/metrics` for a request's `Accept`. Milliseconds: run it in a thread."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def _declare(self, names: semconv.Names) -> None:
        self._names = names
        labels = (names.operation, names.provider, names.model)
        seconds, family = semconv.DURATION_BUCKETS, self._family
        self._info = family("llmctl_build_info", "What is running.", "info", "version", "policy")
        self._requests = family("llmctl_requests_total", "Requests.", "counter", "model", "status", "dialect")
        self._duration = family(names.server_duration, "Time for a request.", "histogram", *labels, bounds=seconds)
        self._client = family(names.client_duration, "Time for an attempt.", "histogram", *labels, bounds=seconds)
        self._usage = family(
            names.client_tokens, "Tokens used.", "histogram", *labels, names.direction, bounds=semconv.TOKEN_BUCKETS
        )
        self._first = family(
            names.time_to_first, "Time to first token.", "histogram", *labels, bounds=semconv.FIRST_TOKEN_BUCKETS
        )
        self._per_token = family(
            names.time_per_output, "Time per output token.", "histogram", *labels, bounds=semconv.OUTPUT_TOKEN_BUCKETS
        )
        self._overhead = family(
            "llmctl_overhead_seconds", "Time not spent waiting upstream.", "histogram", bounds=OVERHEAD_BUCKETS
        ).cell()
        self._tried = family("llmctl_attempts_total", "Attempts.", "counter", "provider", "model", "why", "outcome")
        self._tokens = family("llmctl_tokens_total", "Tokens by bucket.", "counter", "model", "bucket")
        self._cost = family("llmctl_cost_dollars_total", "US dollars, where a price is known.", "counter", "model")
        self._verdicts = family(
            "llmctl_guard_verdicts_total", "Exchanges judged.", "counter", "guard", "verdict", "action"
        )
        self._routing = RoutingMetrics(family)
        self._saving = CostMetrics(family)
        self._errors = family(
            "llmctl_metrics_errors_total", "Records and figures that could not be counted.", "counter"
        ).cell()

    def _family(self, name: str, help_: str, kind: Kind, *labels: str, bounds: tuple[float, ...] = ()) -> Family:
        return self._families.setdefault(name, Family(name, help_, kind, labels, bounds))

    def _refreshed(self) -> Families:
        for cell, function in self._functions:
            with self._counting_errors():
                cell.value = float(function())
        for family, several in self._mapped:  # put in place as a whole: the loop and a scrape may both be here
            with self._counting_errors():
                family.cells = {(value,): Cell(float(number)) for value, number in several().items()}
        for family, counted in self._counted:
            with self._counting_errors():
                for value, number in counted.counts().items():
                    family.cell(value).value = float(number)
        if self._watched:
            dropped = self._families["llmctl_records_dropped_total"]
            for reason, count in self._watched.dropped.items():
                dropped.cell(reason).value = count
        return self._families

    @contextmanager
    def _counting_errors(self) -> Iterator[None]:
        """One figure that cannot be had must not keep all others from being shown."""
        try:
            yield
        except Exception:
            self._errors.value += 1

    def _count(self, record: Record) -> None:
        status = record.failure.status if record.failure else record.http_status
        models = self._models
        key = (
            models.get(record.model) or models.get(record.requested_model, OTHER),
            self._providers.get(record.provider, OTHER),
            _OPERATIONS.get(record.operation, OTHER),
            _DIALECTS.get(record.dialect, OTHER),
            _STATUSES.get(status) or _status_class(status),
        )
        bound = self._bound.get(key) or self._bind(*key)
        bound.requests.value += 1
        seconds = record.duration_us / 1e6
        cell = bound.duration
        place = bisect_left(semconv.DURATION_BUCKETS, seconds)
        cell.counts[place] += 1
        cell.value += seconds
        cell.trails[place] = (record.id, record.trace_id, seconds, record.started + seconds)
        _observe(self._overhead, OVERHEAD_BUCKETS, record.overhead_us / 1e6)
        for attempt in record.attempts:
            self._count_attempt(attempt, key[2])
        for result in record.guards:
            label = (result.guard, result.verdict, result.action)
            cell = self._judged.get(label) or self._judge(label)
            cell.value += 1
        for entry in record.passed:
            cell = self._quiet.get(entry) or self._pass(entry)
            cell.value += 1
        decision = record.decision
        if record.degraded is not None or (decision is not None and decision.strategy != "fixed"):
            self._routing.count(record, models.get(record.requested_model, OTHER), key[0])
        if record.cache is not None or record.compression is not None:
            self._saving.count(record, models.get(record.requested_model, OTHER))
        usage = record.usage
        if usage.source != "none":
            self._count_tokens(record, bound)
        if record.cost.usd is not None:  # the series begins with the first price: an unknown one is not zero
            self._cost.cell(key[0]).value += record.cost.usd
        if record.ttft_us is not None:
            _observe(bound.first_token, semconv.FIRST_TOKEN_BUCKETS, record.ttft_us / 1e6)
            if (more := usage.completion - 1) > 0:
                pace = (record.duration_us - record.ttft_us) / 1e6 / more
                _observe(bound.output_token, semconv.OUTPUT_TOKEN_BUCKETS, pace)

    def _judge(self, label: tuple[str, str, str]) -> Cell:
        guard, verdict, action = label
        cell = self._verdicts.cell(self._guards.get(guard, OTHER), verdict, action)
        if guard in self._guards:
            self._judged[label] = cell
        return cell

    def _pass(self, entry: Passed) -> Cell:
        guard = entry.partition(".")[2].partition(":")[0]
        cell = self._judge((guard, "allow", "allow"))
        if guard in self._guards:
            self._quiet[entry] = cell
        return cell

    def _count_tokens(self, record: Record, bound: _Bound) -> None:
        usage = record.usage
        fresh, read, written, output, reasoning = bound.tokens
        fresh.value += usage.input
        read.value += usage.cached_read
        written.value += usage.cached_write
        output.value += usage.output
        reasoning.value += usage.reasoning
        _observe(bound.prompt, semconv.TOKEN_BUCKETS, usage.input + usage.cached_read + usage.cached_write)
        _observe(bound.completion, semconv.TOKEN_BUCKETS, usage.output + usage.reasoning)

    def _count_attempt(self, attempt: Attempt, operation: str) -> None:
        provider = self._providers.get(attempt.provider, OTHER)
        model = self._models.get(attempt.target, OTHER)
        outcome = "ok" if attempt.error is None else _outcome(attempt)
        key = (provider, model, attempt.why, outcome, operation)
        cells = self._attempts.get(key)
        if cells is None:
            tried = self._tried.cell(provider, model, attempt.why, outcome)
            cells = (tried, self._client.cell(operation, provider, model))
            self._attempts[key] = cells
        cells[0].value += 1
        _observe(cells[1], semconv.DURATION_BUCKETS, attempt.duration_us / 1e6)

    def _bind(self, model: str, provider: str, operation: str, dialect: str, status: str) -> _Bound:
        labels = (operation, provider, model)
        fresh, read, written, output, reasoning = (
            self._tokens.cell(model, bucket)
            for bucket in ("input", "cached_read", "cached_write", "output", "reasoning")
        )
        bound = self._bound[model, provider, operation, dialect, status] = _Bound(
            requests=self._requests.cell(model, status, dialect),
            duration=self._duration.cell(*labels),
            prompt=self._usage.cell(*labels, "input"),
            completion=self._usage.cell(*labels, "output"),
            first_token=self._first.cell(*labels),
            output_token=self._per_token.cell(*labels),
            tokens=(fresh, read, written, output, reasoning),
        )
        return bound


def _observe(cell: Cell, bounds: tuple[float, ...], value: float) -> None:
    cell.counts[bisect_left(bounds, value)] += 1
    cell.value += value


def _status_class(status: int) -> str:
    return f"{status // 100}xx" if 200 <= status < 600 else OTHER


def _outcome(attempt: Attempt) -> str:
    """Of a failed attempt. `attempt.error` may be the provider's own word, which is no label."""
    if attempt.status is not None and attempt.status >= 400:
        return "rate_limited" if attempt.status == 429 else _status_class(attempt.status)
    return attempt.error if attempt.error in _OUTCOMES else "error"
