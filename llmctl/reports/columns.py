"""The ledger's columns: what reports need of a record, flat, and how DuckDB gets each out of a JSON line.

Money is DECIMAL(18,12), exact to a millionth of a millionth of a dollar, so that no sum depends on the order of its
parts. Fields of newer records that are not there are empty; a column that an older Parquet file lacks is too.
"""

from typing import NamedTuple

BUCKETS = ("input", "cached_read", "cached_write", "output", "reasoning")
_TOKENS = ", ".join(f"{bucket} BIGINT" for bucket in BUCKETS)

# What is read of a line; everything else in it, the content above all, is passed over.
LINE = {
    "id": "VARCHAR",
    "started": "DOUBLE",
    "duration_us": "BIGINT",
    "state": "VARCHAR",
    "http_status": "INTEGER",
    "tenant": "VARCHAR",
    "key": "VARCHAR",
    "policy": "VARCHAR",
    "operation": "VARCHAR",
    "requested_model": "VARCHAR",
    "model": "VARCHAR",
    "provider": "VARCHAR",
    "served_model": "VARCHAR",
    "decision": "STRUCT(strategy VARCHAR, experiment VARCHAR, arm VARCHAR)",
    "attempts": "STRUCT(model VARCHAR, status INTEGER, error VARCHAR)[]",
    "cache": f"STRUCT(kind VARCHAR, saved STRUCT({_TOKENS}))",
    "compression": "STRUCT(before BIGINT, after BIGINT)",
    "degraded": "VARCHAR",
    "shadow_of": "VARCHAR",
    "usage": f"STRUCT({_TOKENS}, source VARCHAR)",
    "discarded": f"STRUCT({_TOKENS})",
    "cost": "STRUCT(usd DOUBLE, status VARCHAR, price_version VARCHAR)",
    "ttft_us": "BIGINT",
    "tags": "JSON",
    "stream": "BOOLEAN",
    "batch": "VARCHAR",
    "failure": "STRUCT(code VARCHAR)",
    "guards": 'STRUCT(guard VARCHAR, "action" VARCHAR, policy VARCHAR)[]',
}
# A line without one of these is no record, nor is one from before 1970 or after 2999.
WHOLE = (
    "id IS NOT NULL AND started BETWEEN 0 AND 32503680000 AND duration_us IS NOT NULL AND state IS NOT NULL "
    "AND http_status IS NOT NULL"
)


class Column(NamedTuple):
    """Its type in Parquet, and its value out of a line."""

    type: str
    value: str


def _text(value: str) -> Column:
    return Column("VARCHAR", f"coalesce({value}, '')")


# A provider that answers with an error, or to which no connection could be made, bills nothing.
_FREE = "a.status >= 400 OR (a.status IS NULL AND a.error = 'upstream_unreachable')"


def _saved(bucket: str) -> str:
    # A record leaves out what is 0; only without any of it is nothing known.
    return f"CASE WHEN cache.saved IS NOT NULL THEN coalesce(cache.saved.{bucket}, 0) END"


# What a guard would have done, in shadow, is not what it did.
ACTED = ("warn", "redact", "block")
_ACTED = f'list_filter(guards, lambda g: g."action" IN {ACTED})'
_GUARDS = " || ".join(f"list_transform({_ACTED}, lambda g: nullif(g.{name}, ''))" for name in ("guard", "policy"))

_AT = "CAST(make_timestamp(CAST(round(started * 1e6) AS BIGINT)) AS TIMESTAMP)"

COLUMNS: dict[str, Column] = {
    "id": Column("VARCHAR", "id"),
    "started": Column("TIMESTAMP", _AT),
    "day": Column("DATE", f"CAST({_AT} AS DATE)"),
    "duration_us": Column("BIGINT", "duration_us"),
    "ttft_us": Column("BIGINT", "ttft_us"),
    "state": _text("state"),
    "http_status": Column("INTEGER", "http_status"),
    "tenant": _text("tenant"),
    "key": _text('"key"'),
    "policy": _text("policy"),
    "operation": _text("operation"),
    "route": _text("requested_model"),
    "model": _text("model"),
    "provider": _text("provider"),
    "billed_model": _text("coalesce(nullif(served_model, ''), attempts[-1].model)"),
    "strategy": _text("decision.strategy"),
    "experiment": _text("decision.experiment"),
    "arm": _text("decision.arm"),
    "attempts": Column("INTEGER", "coalesce(len(attempts), 0)"),
    "billable": Column("INTEGER", f"coalesce(len(list_filter(attempts, lambda a: NOT coalesce({_FREE}, false))), 0)"),
    "cache": _text("cache.kind"),
    "degraded": _text("degraded"),
    "shadow_of": _text("shadow_of"),
    **{f"{bucket}_tokens": Column("BIGINT", f"coalesce(usage.{bucket}, 0)") for bucket in BUCKETS},
    **{f"discarded_{bucket}_tokens": Column("BIGINT", f"discarded.{bucket}") for bucket in BUCKETS},
    "usage_source": Column("VARCHAR", "coalesce(usage.source, 'none')"),
    "cost_usd": Column("DECIMAL(18,12)", "TRY_CAST(cost.usd AS DECIMAL(18,12))"),
    "cost_status": Column("VARCHAR", "coalesce(cost.status, 'unpriced')"),
    "price_version": _text("cost.price_version"),
    **{f"saved_{bucket}_tokens": Column("BIGINT", _saved(bucket)) for bucket in BUCKETS},
    "trimmed_tokens": Column("BIGINT", "compression.before - compression.after"),
    "tags": Column("MAP(VARCHAR, VARCHAR)", "TRY_CAST(tags AS MAP(VARCHAR, VARCHAR))"),
    "stream": Column("BOOLEAN", "coalesce(stream, false)"),
    "batch": _text("batch"),
    "failure": _text("failure.code"),
    "guards": Column("VARCHAR[]", f"coalesce(list_distinct({_GUARDS}), CAST([] AS VARCHAR[]))"),
}
KEY = ("id", "started", "duration_us")  # ids may come from clients, who may send one twice

# Where a call is booked: what users asked for, or what was spent on learning.
BOOKING = "CASE WHEN shadow_of = '' THEN 'request' WHEN cache = 'audit' THEN 'audit' ELSE 'shadow' END"
# `none`: no provider had anything to bill, so there was nothing to pay. That is known; what `unpriced` cost is not.
STATUS = (
    "CASE WHEN cost_usd IS NOT NULL THEN cost_status "
    "WHEN attempts = 0 OR (billable = 0 AND usage_source = 'none') THEN 'none' ELSE 'unpriced' END"
)
PRICING = ("cost_usd", "cost_status", "attempts", "billable", "usage_source")  # what STATUS needs
BOOKINGS = ("request", "shadow", "audit")
STATUSES = ("exact", "estimated", "partial", "unpriced", "none")


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL string, where a parameter is not allowed."""
    return "'" + text.replace("'", "''") + "'"


def line_reader() -> str:
    """`read_json` of the segments in the parameter $files: a damaged line is a row without an id."""
    shape = ", ".join(f"{quoted(name)}: {literal(kind)}" for name, kind in LINE.items())
    return (
        "read_json($files, format='newline_delimited', ignore_errors=true, filename=true, "
        f"maximum_object_size={64 * 1024**2}, columns={{{shape}}})"
    )
