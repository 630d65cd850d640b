"""A condition says the same of a record and of its row, and what is wrong with one is told where it is wrong."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmctl.errors import UsageError
from llmctl.model.record import Attempt, CacheOutcome, Decision, Failure, GuardResult, Record
from llmctl.model.usage import Cost, Usage
from llmctl.reports.columns import COLUMNS
from llmctl.reports.duck import Database, database
from llmctl.reports.ledger import load_lines
from llmctl.reports.where import MOST_DEPTH, MOST_TEXT, all_of, parse
from llmctl.reports.where_fields import FIELDS, OPERATORS, field_named
from tests.reports.keeping import record

NAMES = st.sampled_from(
    ["", "a", "b", "ab", "gpt-4o", "it's", 'say "x" \\', "Ä", "ä", "日本", "a b", "$w0", "%", "\x00"]
)
TIMES = [1767600000.0, 1767600000.000001, 1767600000.5, 1767686400.25]
AMOUNTS = [0.0, 1e-12, 0.25, 0.0000000375, 1.5, 999999.5, 2e6]
MICROSECONDS = [0, 1, 250_000, 400_000, 2_000_000, 10**12]
COUNTS = [0, 1, 7, 200, 503, 10**9]

RECORDS = st.builds(
    Record,
    id=NAMES.map(lambda name: name + "i"),
    started=st.sampled_from(TIMES) | st.floats(0, 3e9),
    duration_us=st.sampled_from(MICROSECONDS),
    state=st.sampled_from(["ok", "blocked", "failed", "aborted"]),
    http_status=st.sampled_from(COUNTS),
    tenant=NAMES,
    key=NAMES,
    policy=NAMES,
    operation=NAMES,
    stream=st.booleans(),
    requested_model=NAMES,
    model=NAMES,
    provider=NAMES,
    served_model=NAMES,
    decision=st.none() | st.builds(Decision, NAMES, NAMES, NAMES, experiment=NAMES, arm=NAMES),
    attempts=st.lists(st.builds(Attempt, NAMES, NAMES, st.just(0)), max_size=2),
    guards=st.lists(
        st.builds(
            GuardResult,
            NAMES,
            st.just("input"),
            st.just("warn"),
            st.sampled_from(["allow", "warn", "redact", "block", "would_block"]),
            policy=NAMES,
        ),
        max_size=3,
    ),
    cache=st.none() | st.builds(CacheOutcome, st.sampled_from(["exact", "miss"])),
    degraded=st.sampled_from([None, "stale"]),
    shadow_of=NAMES,
    tags=st.dictionaries(st.sampled_from(["team", "a b", "it's"]), NAMES, max_size=2),
    batch=NAMES,
    usage=st.builds(Usage, *[st.sampled_from(COUNTS)] * 5),
    cost=st.builds(Cost, st.none() | st.sampled_from(AMOUNTS) | st.floats(0, 10)),
    ttft_us=st.none() | st.sampled_from(MICROSECONDS),
    failure=st.none() | st.builds(Failure, NAMES, NAMES, st.just(500)),
)


def written(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


VALUES = {
    "text": NAMES.map(written),
    "names": NAMES.map(written),
    "whole": st.sampled_from(COUNTS).map(str),
    "seconds": st.sampled_from(["0", "1ms", "250ms", "0.4s", "2s", "5m", "0.0000001"]),
    "dollars": st.sampled_from(["0", "0.000000000001", "0.25", "$1.5", "0.0000000375", "999999.5"]),
    "time": st.sampled_from(
        ["2026-01-05T08:00Z", "2026-01-05T08:00:00.000001", "2026-01-06", "2026-01-05T10:00+02:00"]
    ),
    "flag": st.sampled_from(["true", "False"]),
}


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from([*FIELDS, "error", "tag.team", "tag.none"]))
    field = field_named(name)
    assert field is not None
    sign = draw(st.sampled_from(OPERATORS[field.kind]))
    chosen = field.choices and sign != "~"
    return f"{name}{sign}{draw(st.sampled_from(field.choices) if chosen else VALUES[field.kind])}"


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner.map(lambda e: f"not ({e})"),
        inner.map(lambda e: f"NOT {e}"),
        st.lists(inner, min_size=2, max_size=3).map(" and ".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda es: f"({' or '.join(es)})"),
    )


EXPRESSIONS = st.recursive(comparisons(), _deeper, max_leaves=6)


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    with database(memory_mb=300, threads=1) as found:
        yield found


def selected(db: Database, path: Path, records: list[Record], texts: list[str]) -> Iterator[tuple[str, set[int]]]:
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in records))
    load_lines(db, [path], tuple(COLUMNS))
    assert db.one("SELECT count(*) FROM lines", doing="testing") == (len(records),)
    for text in texts:
        made = parse(text)
        rows = db.rows(f"SELECT duration_us FROM lines WHERE {made.sql}", made.parameters, doing=text)
        yield text, {number for (number,) in rows}


@given(records=st.lists(RECORDS, min_size=1, max_size=6), texts=st.lists(EXPRESSIONS, min_size=1, max_size=8))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_record_and_its_row_get_the_same_answer(
    tmp_path: Path, db: Database, records: list[Record], texts: list[str]
) -> None:
    # Durations tell them apart; several of them are what conditions ask for.
    numbered = [msgspec.structs.replace(each, duration_us=each.duration_us + at) for at, each in enumerate(records)]
    by_duration = {each.duration_us: each for each in numbered}
    for text, found in selected(db, tmp_path / "x.jsonl", list(by_duration.values()), texts):
        assert found == {number for number, each in by_duration.items() if parse(text)(each)}, text


BUSY = record(
    1,
    state="failed",
    http_status=504,
    served_model="small-2026",
    tags={"team": "search"},
    guards=[GuardResult("pii", "input", "redact", "redact", policy="no-mail")],
    failure=Failure("upstream_timeout", "late", 504),
    ttft_us=250_000,
)


@pytest.mark.parametrize(
    "text",
    [
        "status=failed",
        "status=504 and state=failed",
        "status>=500",
        "model=fast and model=small and model=small-2026",
        "model~2026",
        "not model=gpt and model!=gpt",
        "provider = 'openai'",
        "ttft<=250ms and ttft>0.2s and duration=400ms",
        "cost=$0.000125 and cost<1",
        "tokens=146 and input_tokens>99",
        "tag.team=search and tag.other!=search and not tag.other~s",
        "guard=pii and guard=no-mail and guard~mail and guard!=judge",
        "failure=upstream_timeout and error~timeout",
        "started>=2026-01-05T00:01:00Z and started<2026-01-06",
        "state=ok and state=ok or state=failed",
        "(state=ok or state=failed) AND NOT stream=true",
        "cache='' and degraded=''",
        'id~"req_"',
    ],
)
def test_what_holds(text: str) -> None:
    assert parse(text)(BUSY)
    assert not parse(f"not ({text})")(BUSY)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "at character 1: here a field is wanted"),
        ("state=failed and modle=x", r"at character 18: no field is called 'modle'; did you mean model"),
        ("zzz=1", r"there are id, started, .*tag\.NAME"),
        ("state failed", "at character 7: after state one of = != ~ is wanted"),
        ("state=", "at character 7: after state= a value is wanted"),
        ("state=faild", "at character 7: state is not 'faild': write one of ok, blocked, failed, aborted"),
        ("state<ok", "at character 6: state takes = != ~, not <"),
        ("duration>long", "at character 10: duration is not 'long': write a duration"),
        ("duration>99999999999d", "30 years"),
        ("cost>much", "write dollars"),
        ("status=5x", "write a whole number"),
        ("tokens=٣", "write a whole number"),
        ("started>yesterday", "write a time such as 2026-01-31"),
        ("stream=maybe", "write true or false"),
        ("(state=ok", r"at character 10: `\)` is missing for the `\(` at character 1"),
        ("state=ok tenant=a", "at character 10: 'tenant' is more than one condition"),
        ("state=ok)", "more than one condition"),
        ("tenant='open", "at character 8: this quote is not closed"),
        ("tenant=a!", "at character 9: nothing begins so"),
        ("tag.=x", "no field is called 'tag.'"),
        ("not " * (MOST_DEPTH + 1) + "id=a", f"more than {MOST_DEPTH} deep"),
        ("x" * (MOST_TEXT + 1), "characters are read"),
    ],
)
def test_mistakes_are_told_where_they_are(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        parse(text)
    assert str(caught.value).startswith("--where: ")


def test_values_are_never_part_of_the_sql() -> None:
    evil = "x') OR 1=1; DROP TABLE lines; --"
    made = parse(f'tenant="{evil}" and tag.a;b~"{evil}"')
    assert "DROP" not in made.sql
    assert "a;b" not in made.sql
    assert list(made.parameters.values()) == [evil, evil, "a;b"]


def test_as_many_conditions_as_fit(tmp_path: Path, db: Database) -> None:
    text = " or ".join(["model=a"] * 360)
    assert list(selected(db, tmp_path / "x.jsonl", [BUSY], [text])) == [(text, set())]


def test_several_together_keep_their_values_apart(tmp_path: Path, db: Database) -> None:
    made = all_of([parse("tenant=search"), parse("state=failed"), parse("duration>1s", "--min")])
    assert made.columns == {"tenant", "state", "duration_us"}
    assert list(made.parameters.values()) == ["search", "failed", 1_000_000]
    assert not made(BUSY)
    both = all_of([parse("tenant=search"), parse("not state=ok")])
    load_lines(db, [_one(tmp_path)], tuple(COLUMNS))
    assert db.one(f"SELECT count(*) FROM lines WHERE {both.sql}", both.parameters, doing="x") == (1,)
    assert all_of([])(BUSY)


def _one(folder: Path) -> Path:
    path = folder / "one.jsonl"
    path.write_bytes(msgspec.json.encode(BUSY) + b"\n")
    return path
