"""Which records count, and who requests are of."""

import pytest
from msgspec import structs

from llmctl.model.record import Decision, GuardResult, Record
from llmctl.plan.traffic import Clusters, Reading, Seen, WithoutContent
from tests.plan.recorded import TWO, asked, chats, configured


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return asked(configured(tmp_path_factory.mktemp("traffic"), "old", TWO), chats(1, "small"))[0]


def read(*records: Record, policy: str = "", any_policy: bool = True) -> tuple[list[Seen], Reading]:
    reading = Reading("folder", policy, any_policy=any_policy)
    return list(reading.seen(records)), reading


def test_which_count(record: Record) -> None:
    copy = structs.replace(record, shadow_of="x")
    other = structs.replace(record, policy="other")
    odd = structs.replace(record, operation="image")
    seen, reading = read(record, copy, other, odd, policy=record.policy, any_policy=False)
    assert [one.record for one in seen] == [record]
    assert sorted(reading.left_out.values()) == [1, 1, 1]
    assert read(record, other, policy=record.policy)[1].told().requests == 2
    assert [one.of_old for one in read(record, other, policy=record.policy)[0]] == [True, False]


def test_what_there_was(record: Record) -> None:
    bare = structs.replace(record, request={"omitted_bytes": 9}, started=record.started + 5)
    redacted = structs.replace(record, guards=[GuardResult("pii", "input", "redact", "redact")])
    odd = structs.replace(record, request={"model": "small", "messages": "hello"})
    told = read(record, bare, redacted, odd)[1].told()
    assert (told.requests, told.without_content, told.redacted) == (4, 2, 1)
    assert (told.first, told.last) == (record.started, record.started + 5)
    empty = read()[1].told()
    assert (empty.requests, empty.first, empty.last) == (0, None, None)


def test_content_that_is_not_there_is_told_when_somebody_looks(record: Record) -> None:
    ((seen,), _) = read(structs.replace(record, request=None))
    assert seen.features.key == record.key
    for look in ("tools", "images", "text", "user", "tokens", "output", "json"):
        with pytest.raises(WithoutContent):
            getattr(seen.features, look)
    assert seen.text() == ""


def test_examples_are_short(record: Record) -> None:
    said = {"model": "small", "messages": [{"role": "user", "content": "long \n text " * 99}]}
    ((seen,), _) = read(structs.replace(record, request=said))
    assert len(seen.example("x").text) == 120
    assert seen.example("x").text.startswith("long text long")
    assert seen.features.tokens > 200


def named(record: Record, **rest: object) -> Record:
    said = {"model": "small", "messages": [{"role": "user", "content": "hi"}], **rest}
    return structs.replace(record, request=said)


def grouped(*records: Record) -> tuple[str, list[int] | None]:
    clusters = Clusters()
    for seen in read(*records)[0]:
        clusters.add(seen)
    return clusters.settled()


def test_who_requests_are_of(record: Record) -> None:
    assert grouped(*[record] * 5) == ("request", None)
    users = [named(record, user=f"u{at % 40}") for at in range(80)]
    name, groups = grouped(*users, *[record] * 10)
    assert name == "user"
    assert groups is not None
    assert len(set(groups)) == 50
    assert grouped(*[named(record, user=f"u{at % 5}") for at in range(80)])[0] == "request"
    keys = [structs.replace(record, key=f"k{at % 35}") for at in range(70)]
    assert grouped(*keys)[0] == "key"


def test_subjects_of_an_experiment_go_first(record: Record) -> None:
    decision = Decision("small", "experiment", "x: one, 50% by user, slot %06x", 0.5, "x", "one")
    records = [
        structs.replace(
            record, decision=structs.replace(decision, reason=decision.reason.replace("%06x", f"{at % 3:06x}"))
        )
        for at in range(9)
    ]
    name, groups = grouped(*records)
    assert name == "subject"
    assert groups is not None
    assert len(set(groups)) == 3
