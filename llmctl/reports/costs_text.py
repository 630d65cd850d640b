"""The cost report as a table, as CSV and as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from llmctl.reports.columns import BUCKETS, STATUSES
from llmctl.reports.cost import Costs, Line
from llmctl.reports.savings import CAVEATS, Savings
from llmctl.reports.series import Anomaly
from llmctl.reports.text import dollars, number, table, to_csv

_TITLES = ("INPUT", "CACHED READ", "CACHED WRITE", "OUTPUT", "REASONING")
NOTE = (
    "no charge: no provider was called, or it answered with an error or could not be reached; "
    "unpriced: cost not known, in no sum; unit costs are of requests that are neither unpriced nor priced in part"
)


def as_table(costs: Costs) -> str:
    """For a terminal: the groups, the others as one line, the total, and what is booked apart."""
    header, rows, _ = cells(costs)
    return table(header, rows, left=max(1, len(costs.by))) + NOTE + "\n"


def cells(costs: Costs) -> tuple[list[str], list[list[str]], int]:
    """The table's header, its rows, and how many of these are groups: the total and what is apart follow them."""
    header = [name.upper() for name in costs.by] or ["ALL"]
    header += ["REQUESTS", "ANSWERED", *_TITLES, "COST $", "$/REQUEST", "$/ANSWER", "$/1K TOKENS"]
    header += ["ESTIMATED", "PARTIAL", "UNPRICED", "NO CHARGE"]
    left = max(1, len(costs.by))
    named = [(line.names, line) for line in costs.lines] if costs.by else []
    if costs.rest is not None:
        named.append(((f"({costs.others:,} others)",), costs.rest))
    groups = len(named)
    named.append((("total",), costs.total))
    named += [((f"{booking}, apart",), line) for booking, line in sorted(costs.apart.items())]
    rows = [
        [*(name or "(none)" for name in names), *[""] * (left - len(names)), *_cells(line)] for names, line in named
    ]
    return header, rows, groups


def _cells(line: Line) -> list[str]:
    sums, units = line.all, line.units()
    cost = dollars(line.usd)
    return [
        f"{sums.requests:,}",
        f"{sums.answered:,}",
        *(f"{tokens:,}" for tokens in sums.tokens),
        cost if line.whole or line.usd is None else f">={cost}",
        *(dollars(units[of].usd) if units[of].usd is not None else "-" for of in ("request", "answered", "1k_tokens")),
        *(f"{line.count(status):,}" for status in ("estimated", "partial", "unpriced", "none")),
    ]


def as_csv(costs: Costs) -> str:
    """Every group, and the shadows' and audits' totals under their own booking; costs without loss."""
    statuses = [status for status in STATUSES if status not in ("unpriced", "none")]
    header = [*costs.by, "booking", "requests", "answered", "attempts", *(f"{bucket}_tokens" for bucket in BUCKETS)]
    header += ["cost_usd", "cost_is_complete", *(f"{status}_usd" for status in statuses)]
    header += [f"{status}_requests" for status in STATUSES]
    lines = [(line.names, line) for line in costs.lines]
    lines += [(("",) * len(costs.by), line) for _, line in sorted(costs.apart.items())]
    rows: list[list[Any]] = []
    for names, line in lines:
        sums = line.all
        rows.append(
            [
                *names,
                line.booking,
                *(sums.requests, sums.answered, sums.attempts),
                *sums.tokens,
                None if line.usd is None else number(line.usd),
                int(line.whole),
                *(number(line.parts[s].usd) if s in line.parts else "0" for s in statuses),
                *(line.count(status) for status in STATUSES),
            ]
        )
    return to_csv(header, rows)


def as_json(
    costs: Costs, anomalies: Sequence[Anomaly], savings: Savings | None, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything; dollars are strings, for a float would not hold them."""
    document: dict[str, Any] = {
        **about,
        "by": list(costs.by),
        "groups": [{"names": dict(zip(costs.by, line.names, strict=True)), **_line(line)} for line in costs.lines],
        "total": _line(costs.total),
        "apart": {booking: _line(line) for booking, line in costs.apart.items()},
        "days": {day.isoformat(): _line(line) for day, line in sorted(costs.days.items())},
        "anomalies": [
            {"names": list(a.names), "day": a.day.isoformat(), "usd": a.value, "expected_usd": a.typical}
            | {"z": round(a.z, 2), "days": a.days}
            for a in anomalies
        ],
    }
    if savings:
        document["savings"] = savings_json(savings)
    return document


def _line(line: Line) -> dict[str, Any]:
    sums = line.all
    return {
        "requests": sums.requests,
        "answered": sums.answered,
        "attempts": sums.attempts,
        "tokens": dict(zip(BUCKETS, sums.tokens, strict=True)),
        "usd": None if line.usd is None else number(line.usd),
        "complete": line.whole,
        "by_status": {
            status: {"requests": part.requests, "usd": None if status == "unpriced" else number(part.usd)}
            for status, part in line.parts.items()
        },
        "per": {
            name: {"usd": None if unit.usd is None else number(round(unit.usd, 12)), "n": unit.n}
            for name, unit in line.units().items()
        },
    }


def savings_text(savings: Savings) -> str:
    """What each layer saved, in the order of attribution, with what could not be compared."""
    share = "" if savings.share is None else f", {abs(savings.share):.1%} {'saved' if savings.share >= 0 else 'dearer'}"
    rows = [[f"always {savings.model}", dollars(savings.baseline), f"{savings.compared:,}"]]
    rows += [[f"  {part.layer}", f"{-part.usd:+,.6f}", f"{part.requests:,}"] for part in savings.parts]
    rows.append(["as it was", dollars(savings.actual), f"{savings.compared:,}"])
    lines = [f"Against always {savings.model} ({savings.price_version}){share}\n"]
    lines.append(table(["IN THIS ORDER", "COST $", "REQUESTS"], rows, left=1))
    lines += [f"not compared, {why}: {n:,}\n" for why, n in sorted(savings.left_out.items())]
    lines.append(f"shadows and audits cost {dollars(savings.apart)} besides\n")
    return "".join([*lines, *(f"{caveat}\n" for caveat in CAVEATS)])


def savings_json(savings: Savings) -> dict[str, Any]:
    """The same for programs."""
    return {
        "baseline_model": savings.model,
        "price_version": savings.price_version,
        "compared": savings.compared,
        "baseline_usd": number(savings.baseline),
        "actual_usd": number(savings.actual),
        "share": None if savings.share is None else float(round(savings.share, 6)),
        "parts_in_order": [
            {"layer": part.layer, "saved_usd": number(part.usd), "requests": part.requests} for part in savings.parts
        ],
        "not_compared": savings.left_out,
        "apart_usd": number(savings.apart),
        "caveats": list(CAVEATS),
    }


def anomalies_text(anomalies: Sequence[Anomaly]) -> str:
    """One line each; nothing where no day stands out."""
    return "".join(
        f"{a.day}: {' '.join(a.names) or 'total'} cost {dollars(a.value)} where {dollars(a.typical)} was "
        f"to be expected (robust z {a.z:+.1f}, {a.days} days)\n"
        for a in anomalies
    )
