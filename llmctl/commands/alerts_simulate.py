"""`llmctl alerts simulate`: what the promises would have told of what has been recorded."""

import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmctl.commands.options import JsonOption, print_json
from llmctl.errors import UsageError
from llmctl.reports.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from llmctl.alerts.alert import Alert, Notice
    from llmctl.alerts.slo import Histograms, Slos
    from llmctl.model.record import Record
    from llmctl.telemetry.metrics import MetricsSink
    from llmctl.telemetry.reader import Filter, RecordReader
    from llmctl.telemetry.series import Families

LOOK = 60.0
"""Seconds between two looks."""
CHUNK = 4 * 3600.0
"""Seconds of compacted records that are in memory at once."""
DAY = 86400.0
SILENCE = 4 * DAY


@dataclass(slots=True)
class Incident:
    """What would have been told. Epoch seconds; `end` is None where it was going on at the end of the records."""

    alert: "Alert"
    begin: float
    end: float | None = None


@dataclass(slots=True)
class Promise:
    """What became of one promise. `used` is the share of its error budget, over all that was replayed."""

    slo: str
    kind: str
    labels: dict[str, str] = field(default_factory=dict)
    events: float | None = None
    bad: float | None = None
    used: float | None = None
    incidents: int = 0


@dataclass(slots=True)
class Simulation:
    """What a replay found."""

    incidents: list[Incident]
    promises: list[Promise]
    records: int
    since: float
    until: float


def simulate(
    traces: Annotated[Path, typer.Option("--traces", metavar="DIR", help="Folder of the record store.")] = Path(
        ".llmctl/records"
    ),
    config: Annotated[Path, typer.Option("--config", "-c", help="What is promised.")] = Path("configs/slo.yaml"),
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="From then on: 7d, or an RFC 3339 time.")] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Before then.")] = None,
    json: JsonOption = False,
) -> None:
    """Replay recorded exchanges and list what the alerts would have told, and when. Nobody is told."""
    from llmctl.alerts.slo import load
    from llmctl.clock import SystemClock
    from llmctl.config.secrets import Environment
    from llmctl.gateway.promises import served_histograms
    from llmctl.telemetry.reader import Filter, RecordReader, parse_when

    if not traces.is_dir():
        raise UsageError(f"{traces}: no such folder; name the record store's, `records.dir` of gateway.yaml")
    histograms = served_histograms()
    slos = load(config, Environment.of_process(), histograms)
    now = SystemClock().wall()
    try:
        start, end = (None if when is None else parse_when(when, now) for when in (since, until))
    except ValueError as error:
        raise UsageError(str(error)) from None
    wanted = Filter(start, end)
    reader = RecordReader(traces, lambda told: print(f"warning: {plain(told)}", file=sys.stderr))
    found = replayed(in_order(reader, traces, wanted), slos, histograms)
    if found is None:
        raise UsageError(f"{traces}: holds no records of this time; there is nothing to replay")
    if json:
        print_json(_plain(found))
    else:
        _print(found)


def replayed(records: "Iterable[Record]", slos: "Slos", histograms: "Histograms") -> Simulation | None:
    """What would have been told of these records, which come in the order in which they ended; None without any."""
    from prometheus_client import CollectorRegistry

    from llmctl.alerts.engine import Engine
    from llmctl.telemetry import semconv
    from llmctl.telemetry.metrics import MetricsSink

    (version,) = semconv.VERSIONS
    sink = MetricsSink(CollectorRegistry(), version="", semconv_version=version)
    engine = Engine(slos, histograms)
    step = max(1.0, LOOK / slos.pace)
    incidents: list[Incident] = []
    guards: set[str] = set()
    count, begin, tick = 0, 0.0, 0.0
    for record in records:
        ended = record.started + record.duration_us / 1e6
        if not count:
            begin = tick = ended // step * step
            engine.look(tick, sink.families())
        heard = tick
        while ended >= tick + step:
            # After so long without anything every window is empty.
            tick = tick + step if tick - heard < SILENCE else ended // step * step
            _note(incidents, engine.look(tick, sink.families()))
        _know_guards(sink, guards, record)
        sink.write(record)
        count += 1
    if not count:
        return None
    tick += step
    _note(incidents, engine.look(tick, sink.families()))
    promises = list(_promises(slos, histograms, sink.families(), incidents))
    return Simulation(incidents, promises, count, begin, tick)


def in_order(reader: "RecordReader", folder: Path, wanted: "Filter") -> "Iterator[Record]":
    """Every wanted record by the time of its end, from segments and from Parquet; a day's files are open at once."""
    import heapq

    from llmctl.reports.sources import parquet_files

    files, overlapping = reader.segments(wanted), False
    parquet: tuple[Path, ...] = ()
    if parquet_files(folder):
        from llmctl.reports.duck import database
        from llmctl.reports.where_rows import split

        with database() as db:
            found = split(folder, db, wanted, ())
        files, parquet, overlapping = list(found.segments), found.parquet, found.overlapping
        what = "Parquet files hold neither guards' verdicts nor failures told inside of a stream"
        print(f"note: {len(parquet)} {what}: promises of these look better than they were", file=sys.stderr)
    for day in sorted({path.parent.name for path in (*files, *parquet)}):
        streams: list[Iterator[Record]] = [
            filter(wanted, reader.read_segment(path)) for path in files if path.parent.name == day
        ]
        compacted = tuple(path for path in parquet if path.parent.name == day)
        if compacted:
            streams.append(_compacted(compacted, overlapping, wanted, day))
        yield from heapq.merge(*streams, key=lambda record: record.started + record.duration_us / 1e6)


def _compacted(files: tuple[Path, ...], overlapping: bool, wanted: "Filter", day: str) -> "Iterator[Record]":
    """What is left of a day's records, some hours at a time; about in the order in which they ended."""
    from llmctl.reports.duck import database
    from llmctl.reports.where import EVERYTHING
    from llmctl.reports.where_rows import Split, rows
    from llmctl.telemetry.reader import Filter

    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    starts = [midnight - DAY, *(midnight + CHUNK * part for part in range(round(DAY / CHUNK)))]
    with database() as db:
        for start, end in zip(starts, [*starts[1:], midnight + DAY], strict=True):
            since = start if wanted.since is None else max(start, wanted.since)
            until = end if wanted.until is None else min(end, wanted.until)
            if since < until:
                chunk = rows(db, Split((), files, overlapping), EVERYTHING, Filter(since, until), sys.maxsize)
                yield from reversed(chunk)


def _know_guards(sink: "MetricsSink", known: set[str], record: "Record") -> None:
    """Guards that are not configured are counted as one; all that were recorded are."""
    named = {result.guard for result in record.guards}
    named.update(entry.partition(".")[2].partition(":")[0] for entry in record.passed)
    if not named <= known:
        known |= named
        sink.configure(models=(), providers=(), policy="", guards=known)


def _note(incidents: list[Incident], notices: "list[Notice]") -> None:
    for notice in notices:
        if notice.kind == "trigger":
            if not notice.repeat:
                incidents.append(Incident(notice.alert, notice.at))
        else:
            last = next(each for each in reversed(incidents) if each.alert.key == notice.alert.key)
            last.end = notice.at


def _promises(
    slos: "Slos", histograms: "Histograms", families: "Families", incidents: list[Incident]
) -> "Iterator[Promise]":
    from llmctl.alerts.indicators import ratio_of
    from llmctl.alerts.slo import TABLE, RatioSlo

    kinds = {model: kind for kind, model in TABLE.items()}
    for name, slo in slos.slos.items():
        kind = kinds[type(slo)]
        mine = [incident.alert for incident in incidents if incident.alert.slo == name]
        if not isinstance(slo, RatioSlo):
            yield Promise(name, kind, incidents=len(mine))
            continue
        ratio = ratio_of(slo, {}, histograms)
        totals = ratio.total.sums(families, ratio.by) or ({} if ratio.by else {(): 0.0})
        counted = ratio.good or ratio.bad
        assert counted is not None
        some = counted.sums(families, ratio.by)
        for group, total in sorted(totals.items()):
            part = some.get(group, 0.0)
            bad = total - part if ratio.good else part
            labels = dict(zip(ratio.by, group, strict=True))
            used = bad / total / (1 - slo.objective) if total else None
            told = sum(alert.labels == labels for alert in mine)
            yield Promise(name, kind, labels, total, bad, used, told)


def _plain(found: Simulation) -> dict[str, Any]:
    return {
        "since": _when(found.since),
        "until": _when(found.until),
        "records": found.records,
        "incidents": [
            {
                "begin": _when(each.begin),
                "end": None if each.end is None else _when(each.end),
                "seconds": (found.until if each.end is None else each.end) - each.begin,
                **asdict(each.alert),
            }
            for each in found.incidents
        ],
        "promises": [asdict(promise) for promise in found.promises],
    }


def _print(found: Simulation) -> None:
    print(f"{found.records} records from {_when(found.since)} to {_when(found.until)}\n")
    for each in found.incidents:
        over = "still firing at the end" if each.end is None else f"for {_lasting(each.end - each.begin)}"
        alert = each.alert
        labels = "".join(f" {label}={plain(value)}" for label, value in alert.labels.items())
        print(f"{_when(each.begin)}  {alert.severity:6}  {alert.name}{labels}  {over}")
        print(f"    {plain(alert.description)} ({alert.runbook})")
    print(f"{len(found.incidents)} incidents\n" if found.incidents else "nothing would have been told\n")
    print(f"{'promise':32}{'events':>12}{'bad':>10}{'budget used':>14}{'incidents':>11}")
    for promise in found.promises:
        name = plain(" ".join((promise.slo, *promise.labels.values())))
        events, bad = ("-" if number is None else f"{number:.0f}" for number in (promise.events, promise.bad))
        used = "-" if promise.used is None else f"{promise.used:.1%}"
        print(f"{name:32}{events:>12}{bad:>10}{used:>14}{promise.incidents:>11}")


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _lasting(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m"
