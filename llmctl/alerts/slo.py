"""What slo.yaml says: promises (SLOs) by name, how grave it is to break one, and who is told."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from llmctl.alerts.notify import ReceiverOptions
from llmctl.config.document import read_document
from llmctl.config.explain import explain, nearest
from llmctl.config.finding import Finding, KeyPath, nearest_mark, ordered
from llmctl.config.resolve import Resolved
from llmctl.config.secrets import Environment
from llmctl.config.section import Extension, Name, Seconds, Section, Share
from llmctl.errors import ConfigError

Severity = Literal["page", "ticket"]
DAY = 86400.0
FASTEST = 14.4
"""Times the even pace: the highest burn rate with an alert of its own."""
RESERVED = frozenset({"metrics", "metrics-absent"})
"""No names of promises: `rules.ABSENT` and its group."""

M = TypeVar("M", bound=Section)
_SloName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$", max_length=64)]
_Label = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
_LabelValue = Annotated[str, Field(pattern=r'^[^"\\\x00-\x1f{}]+$')]


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram of the gateway's `/metrics`: its name and its buckets' upper bounds in seconds, rising."""

    name: str
    bounds: Sequence[float]


@dataclass(frozen=True, slots=True)
class Histograms:
    """Those that promises about time rest on. Their names depend on `telemetry.semconv`."""

    duration: Histogram
    first_token: Histogram


class Slo(Section):
    """What every promise has."""

    severity: Severity = Field("ticket", description="`page` wakes somebody; `ticket` waits for the morning.")
    runbook: str = Field(
        pattern=r"^runbooks/[a-z0-9][a-z0-9-]*\.md$", description="What to do then, as runbooks/NAME.md."
    )


class RatioSlo(Slo):
    """A share of events that must be good, over a long window; alerts tell how fast the rest is used up.

    With `severity: page` fast burning pages and slow burning opens a ticket; with `ticket` both open tickets.
    """

    objective: Share = Field(lt=1, description="Share of good events, as 0.999.")
    window: Seconds = Field(30 * DAY, ge=7 * DAY, description="What the objective is over: 7d to 30d.")
    min_bad: int = Field(
        5, ge=1, le=1000, description="Bad events in an alert's long window below which it stays quiet."
    )

    @model_validator(mode="after")
    def _can_fire(self) -> "RatioSlo":
        if FASTEST * (1 - self.objective) >= 1:
            least = 1 - 1 / FASTEST
            raise ValueError(
                f"an objective of {least:.3f} or less can never be missed at {FASTEST} times the budget, so its "
                "fastest alert could not fire; promise more, or of a looser threshold"
            )
        return self


class AvailabilitySlo(RatioSlo):
    """Requests that we answered without a failure of ours (5xx). What clients did wrong (4xx) is not counted."""


class LatencySlo(RatioSlo):
    """Requests that were done within `threshold`."""

    threshold: Seconds = Field(gt=0, description="A bound of the histogram's buckets, in seconds or as 250ms.")


class FirstTokenSlo(LatencySlo):
    """Streams whose first token came within `threshold`."""


class GuardSlo(RatioSlo):
    """Judgements of each guard that did not fail."""


class LimitSlo(Slo):
    """A figure that must stay under a limit, the objective."""

    window: Seconds = Field(900.0, ge=60, le=DAY, description="How long it must be exceeded, as 15m.")


class CostSlo(LimitSlo):
    """Money spent in a day, by what prices are known."""

    objective: float = Field(gt=0, allow_inf_nan=False, description="US dollars a day at most.")


class CacheErrorSlo(LimitSlo):
    """The bound on false hits of the semantic cache, of each route."""

    objective: Share = Field(gt=0, lt=1, description="Share of requests that the bound must not exceed.")


class ShiftSlo(Slo):
    """That a figure is about what it was the day before. Nobody needs to know what it should be."""

    @property
    def hold(self) -> float:
        """Seconds for which it must have shifted."""
        raise NotImplementedError


class CostAnomalySlo(ShiftSlo):
    """Money spent within `window`, against each such window of the day before."""

    window: Seconds = Field(3600.0, ge=3600, le=7200, description="What is compared, as 1h.")
    factor: float = Field(
        1.5, ge=1, le=100, description="Times the dearest window of the day before that must be exceeded."
    )
    min_dollars: float = Field(1.0, ge=0, allow_inf_nan=False, description="US dollars below which it stays quiet.")
    min_events: int = Field(20, ge=1, description="Requests in the window below which it stays quiet.")

    @property
    def hold(self) -> float:
        """A twelfth of the window."""
        return self.window / 12


class LatencyShiftSlo(ShiftSlo):
    """Time for requests within `window`, against the day before it."""

    window: Seconds = Field(1800.0, ge=600, le=7200, description="What is compared, as 30m.")
    factor: float = Field(1.5, ge=1.1, le=100, description="Times the 95th percentile of before that must be exceeded.")
    min_events: int = Field(100, ge=20, description="Requests in the window below which it stays quiet.")

    @property
    def hold(self) -> float:
        """A sixth of the window."""
        return self.window / 6


TABLE: dict[str, type[Slo]] = {
    "availability": AvailabilitySlo,
    "latency": LatencySlo,
    "ttft": FirstTokenSlo,
    "guard_failures": GuardSlo,
    "cost_per_day": CostSlo,
    "cache_error": CacheErrorSlo,
    "cost_anomaly": CostAnomalySlo,
    "latency_shift": LatencyShiftSlo,
}


class _File(Section):
    service: Name = Field("llmctl", description="Label of every alert.")
    match: dict[_Label, _LabelValue] = Field(
        default_factory=dict, description="Labels that Prometheus gives this gateway's metrics, as job: llmctl."
    )
    pace: float = Field(
        1.0, ge=1, le=600, description="Divides every window and waiting time of alerts: for drills. Default 1."
    )
    slos: dict[_SloName, Extension] = Field(min_length=1, description="Promises by name.")
    notify: dict[Severity, ReceiverOptions] = Field(description="Who is told, by severity.")


@dataclass(frozen=True, slots=True)
class Slos:
    """A checked slo.yaml. `match` are labels of every metric; time of alerts runs `pace` times as fast as usual."""

    service: str
    match: Mapping[str, str]
    slos: Mapping[str, Slo]
    notify: Mapping[Severity, ReceiverOptions]
    pace: float = 1.0


def load(path: Path, env: Environment, histograms: Histograms) -> Slos:
    """Read and check. Raises ConfigError with every finding at once, `file:line: key: what to do`."""
    resolved = read_document(path, env, "-c names it, and configs/slo.yaml is one to copy")
    try:
        file = _checked(_File, resolved.tree)
    except ValidationError as error:
        findings = [*resolved.findings, *explain(error, resolved.marks, (), _File), *_promises(resolved, histograms)]
        raise ConfigError(ordered(findings), [path]) from None
    slos: dict[str, Slo] = {}
    findings = list(resolved.findings)
    for name, extension in file.slos.items():
        slo, found = _decoded(extension, ("slos", name), resolved, histograms)
        findings += found
        if trouble := _named_alike(name, file.slos):
            findings.append(_finding(resolved, ("slos", name), trouble))
        if slo is not None:
            slos[name] = slo
    # The alert on missing metrics pages whatever the promises say.
    for severity in sorted({"page"} | {told for slo in slos.values() for told in severities(slo)}):
        if severity not in file.notify:
            findings.append(_finding(resolved, ("notify", severity), "missing; add who is told (slack or pagerduty)"))
    if findings:
        raise ConfigError(ordered(findings), [path])
    return Slos(file.service, file.match, slos, file.notify, file.pace)


def _named_alike(name: str, names: Collection[str]) -> str | None:
    """What is wrong with a name whose alerts, or their group, would be called as others are."""
    burning, _, window = name.rpartition("-burn")
    if name in RESERVED:
        return "the alert on missing metrics is called so; choose another name"
    if burning in names and window[:1].isdigit():
        return f"an alert of slos.{burning} is called so; choose another name"
    return None


def severities(slo: Slo) -> set[Severity]:
    """Those of a promise's alerts."""
    return {slo.severity, "ticket"} if isinstance(slo, RatioSlo) else {slo.severity}


def _decoded(
    extension: Extension, at: KeyPath, resolved: Resolved, histograms: Histograms
) -> tuple[Slo | None, list[Finding]]:
    model = TABLE.get(extension.kind)
    if model is None:
        hint = nearest(extension.kind, list(TABLE))
        return None, [_finding(resolved, (*at, "kind"), f"no such kind of promise{hint}")]
    try:
        slo = _checked(model, extension.options)
    except ValidationError as error:
        return None, explain(error, resolved.marks, at, model)
    if isinstance(slo, LatencySlo) and slo.threshold not in (bounds := histogram_of(slo, histograms).bounds):
        near = sorted(bounds, key=lambda bound: abs(bound - slo.threshold))[:2]
        ends = " or ".join(f"{bound:g}s" for bound in sorted(near))
        return None, [_finding(resolved, (*at, "threshold"), f"requests are counted by bucket; write {ends}")]
    return slo, []


def _promises(resolved: Resolved, histograms: Histograms) -> list[Finding]:
    """What is wrong with those promises that are told apart at all, in a file that is wrong elsewhere."""
    found: list[Finding] = []
    slos = resolved.tree.get("slos")
    for name, raw in slos.items() if isinstance(slos, Mapping) else ():
        if isinstance(raw, Mapping) and isinstance(raw.get("kind"), str):
            found += _decoded(Extension.model_validate(raw), ("slos", name), resolved, histograms)[1]
    return found


def histogram_of(slo: LatencySlo, histograms: Histograms) -> Histogram:
    """The one that a promise about time rests on."""
    return histograms.first_token if isinstance(slo, FirstTokenSlo) else histograms.duration


def _checked(model: type[M], raw: Mapping[str, Any]) -> M:
    return model.model_validate_json(json.dumps(raw), strict=True)


def _finding(resolved: Resolved, path: KeyPath, message: str) -> Finding:
    return Finding(nearest_mark(resolved.marks, path), path, message)
