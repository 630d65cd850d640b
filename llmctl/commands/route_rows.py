"""`llmctl route`: reading rows of recorded outcomes, and what is made of them."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llmctl.commands.rows import read_rows
from llmctl.errors import UsageError
from llmctl.telemetry.rows import opened

if TYPE_CHECKING:
    from llmctl.model.chat import Operation
    from llmctl.routing.evaluate import Interval, Report, Routing

MAX_SHOWN = 12


class Row(NamedTuple):
    """A prompt, and whether each model was right."""

    prompt: str
    strong: bool
    weak: bool


def read(path: Path, strong: str, weak: str, traces: Path | None = None) -> list[Row]:
    """Rows of a JSON-lines file, gzipped or not; with `traces` those without a prompt are of the record named by `id`.

    Raises UsageError naming the line that is wrong.
    """
    recorded = prompts_of(traces, set(_ids(path))) if traces is not None else {}
    if strong == weak:
        raise UsageError(f"--weak and --strong are both {strong}; name two models of the rows")
    rows = list(read_rows(path, lambda raw: _row(_with_prompt(raw, recorded, traces), strong, weak)))
    if not rows:
        raise UsageError(f"{path}: has no rows; give a JSON object a line, with 'prompt', '{strong}' and '{weak}'")
    return rows


def _ids(path: Path) -> Iterator[str]:
    """Ids of rows without a prompt. What is wrong with the file is told when it is read for good."""
    with suppress(UsageError), opened(path) as lines:
        for line in lines:
            with suppress(ValueError, RecursionError):
                raw = json.loads(line)
                if isinstance(raw, dict) and "prompt" not in raw and isinstance(raw.get("id"), str):
                    yield raw["id"]


def _with_prompt(raw: dict[str, Any], recorded: dict[str, str], traces: Path | None) -> dict[str, Any]:
    if "prompt" in raw or "id" not in raw:
        return raw
    if traces is None:
        raise ValueError("has an id and no prompt; name the folder of the records with --traces")
    if raw["id"] not in recorded:
        raise ValueError(f"id: no record {raw['id']!r} in {traces} that holds its request")
    return {**raw, "prompt": recorded[raw["id"]]}


def prompts_of(folder: Path, wanted: set[str]) -> dict[str, str]:
    """What the user said last, by record, of those wanted that hold their request. Raises UsageError, StoreError."""
    from llmctl.commands.traces import reading
    from llmctl.routing.features import said_last

    found: dict[str, str] = {}
    with reading(folder) as reader:
        for record in reader.read():
            request = record.request
            if record.id in wanted and isinstance(request, dict) and "omitted_bytes" not in request:
                operation: Operation = "completion" if record.operation == "completion" else "chat"
                found[record.id] = said_last(request, operation)
    return found


def _row(raw: dict[str, Any], strong: str, weak: str) -> Row:
    if not isinstance(raw.get("prompt"), str):
        raise ValueError("prompt: give a string")
    right = []
    for name in (strong, weak):
        if name not in raw:
            there = [key for key, value in raw.items() if value in (0, 1) and not isinstance(value, float)][:MAX_SHOWN]
            raise ValueError(f"{name}: is not there; the models of this row are {', '.join(there) or 'none'}")
        if raw[name] not in (0, 1):
            raise ValueError(f"{name}: give true where the model was right, else false")
        right.append(bool(raw[name]))
    return Row(raw["prompt"], *right)


def figures(report: "Report") -> dict[str, Any]:
    """The report as `--json` prints it: apgr as a share, all else but n and the models' quality in per cent."""
    shown = {"n": report.n, "quality": {"weak": round(report.weak, 5), "strong": round(report.strong, 5)}}
    router = _router(report.value, report.interval)
    return {**shown, **router, "random": _router(report.random, report.random_interval)}


def _router(value: "Routing", intervals: "dict[str, Interval] | None") -> dict[str, Any]:
    bounds = {name: [_digits(name, end) for end in both] for name, both in (intervals or {}).items()}
    return {**{k: _digits(k, v) for k, v in value._asdict().items()}, "intervals": bounds or None}


def _digits(name: str, value: float) -> float:
    return round(value, 4 if name == "apgr" else 2)


LABELS = {
    "apgr": ("APGR", ""),
    "cpt50": ("CPT(50%)", "% of calls to the strong model"),
    "cpt80": ("CPT(80%)", "% of calls to the strong model"),
    "saving95": ("saving at 95%", "% of calls kept from the strong model"),
    "saving99": ("saving at 99%", "% of calls kept from the strong model"),
}


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The figures for people, the random router's beside each."""
    quality = found["quality"]
    yield f"{found['n']} rows; right: weak {quality['weak']:.1%}, strong {quality['strong']:.1%}"
    yield f"{'':15}{'router':28}{'random router':28}"
    for name, (label, unit) in LABELS.items():
        yield f"{label:15}{_shown(found, name):28}{_shown(found['random'], name):28}{unit}".rstrip()


def _shown(found: dict[str, Any], name: str) -> str:
    form = ".3f" if name == "apgr" else ".1f"
    bounds = (found["intervals"] or {}).get(name)
    said = f"{found[name]:{form}}"
    return said + (f" ({bounds[0]:{form}} to {bounds[1]:{form}})" if bounds else "")
