"""What must hold whatever fails. Each is a pure function of the books; what it returns is empty where it holds."""

import math
from collections.abc import Callable, Iterable, Mapping

from llmctl.chaos.books import Books
from llmctl.chaos.experiment import ExpectConfig, InvariantKind
from llmctl.chaos.questions import tenant_of
from llmctl.model.record import Record

Invariant = Callable[[Books, ExpectConfig], list[str]]
TERMINAL = ("ok", "failed", "blocked", "aborted")
CENT = 1e-9  # dollars: sums of floats depend on their order


def charged_once(books: Books, expect: ExpectConfig) -> list[str]:
    """Each exchange was settled once.

    A budget's spending is the sum of its records' costs. And for an answer that was delivered no second one was made,
    but where a call was given up while its provider may have been about to answer, or hedged, or where a provider
    was cut off after it had sent everything.
    """
    found = []
    for charged in books.charged:
        own = [record for record in books.records if _subject(record, charged.per) == charged.subject]
        costs = math.fsum(record.cost.usd or 0.0 for record in own)
        # What was lost to a crash may be in the budget's last snapshot; nothing else may.
        slack = CENT + _lost(books, charged.per, charged.subject)
        if charged.whole and not -CENT <= charged.spent - costs <= slack:
            whose = "/".join(charged.subject)
            found.append(f"budget {charged.budget} of {whose}: {charged.spent:.9f} $ spent, records cost {costs:.9f} $")
        if abs(charged.reserved) > CENT:
            found.append(
                f"budget {charged.budget} of {'/'.join(charged.subject)}: {charged.reserved:.9f} $ never settled"
            )
    for answer in books.answers:
        record = books.record(answer)
        if not answer.right or record is None:
            continue
        made = sum(call.answered for call in books.asked.get(answer.question.id, ()))
        excused = sum(bool(attempt.error) or attempt.why == "hedge" for attempt in record.attempts)
        if made > 1 + excused:
            found.append(f"{answer.question.id}: {made} whole answers were made for one")
    return found


def _subject(record: Record, per: Iterable[str]) -> tuple[str, ...]:
    parts = {"tenant": record.tenant, "key": record.key, "model": record.requested_model}
    return tuple(parts[part] for part in per)


def _lost(books: Books, per: Iterable[str], subject: tuple[str, ...]) -> float:
    """The most that unrecorded exchanges near a crash may have cost."""
    if not books.crashes:
        return 0.0
    own = [record.cost.usd or 0.0 for record in books.records if _subject(record, per) == subject]
    lost = sum(books.near_crash(answer) for answer in books.answers if answer.question.id not in books.by_id)
    return lost * max(own, default=0.0)


def within_budget(books: Books, expect: ExpectConfig) -> list[str]:
    """Nobody spent more than was allowed.

    Reservations hold the limit while no exchange costs more than it reserved: drills ask with `max_tokens`.
    """
    return [
        f"budget {one.budget} of {'/'.join(one.subject)}: {one.spent:.9f} of {one.limit:.9f} $"
        for one in books.charged
        if one.hard and one.spent > one.limit + expect.overrun_usd + CENT
    ]


def one_record(books: Books, expect: ExpectConfig) -> list[str]:
    """Each exchange ended in one state, which agrees with what its client saw."""
    found = [f"{id_}: {len(own)} records" for id_, own in books.by_id.items() if len(own) > 1]
    for answer in books.answers:
        record = books.record(answer)
        if record is None:
            continue
        if record.state not in TERMINAL:
            found.append(f"{answer.question.id}: state {record.state!r}")
        elif answer.complete != (record.state == "ok"):
            found.append(f"{answer}, recorded as {record.state}")
    return found


def nothing_lost(books: Books, expect: ExpectConfig) -> list[str]:
    """Each answer, refusals too, has its record; but for those that ended just before a crash."""
    return [
        f"{answer}: acknowledged, and no record"
        for answer in books.answers
        if answer.status and answer.question.id not in books.by_id and not books.near_crash(answer)
    ]


def own_answers(books: Books, expect: ExpectConfig) -> list[str]:
    """Nobody got an answer that was made for another tenant, or to another question."""
    found = []
    for answer in books.answers:
        if not answer.complete:
            continue
        made = answer.made_for
        if made is None:
            found.append(f"{answer}: not signed by its provider")
        elif tenant_of(made) != answer.question.tenant:
            found.append(f"{answer.question.id} of {answer.question.tenant} got the answer made for {made}")
        elif not answer.right:
            found.append(f"{answer}: the answer to another question")
        record = books.record(answer)
        if record is not None and record.tenant != answer.question.tenant:
            found.append(f"{answer.question.id} is recorded as {record.tenant}'s")
    return found


def ended_once(books: Books, expect: ExpectConfig) -> list[str]:
    """Every answer had one end, and nothing behind it; but for those whose gateway was killed."""
    return [str(answer) for answer in books.answers if answer.trouble and not books.near_crash(answer)]


def metrics_agree(books: Books, expect: ExpectConfig) -> list[str]:
    """/metrics counted as many requests as were recorded. Not asked where a restart set it back."""
    if books.counted is None or books.counted == len(books.records):
        return []
    return [f"/metrics counted {books.counted:g} requests, and there are {len(books.records)} records"]


INVARIANTS: Mapping[InvariantKind, Invariant] = {
    "charged_once": charged_once,
    "within_budget": within_budget,
    "one_record": one_record,
    "nothing_lost": nothing_lost,
    "own_answers": own_answers,
    "ended_once": ended_once,
    "metrics_agree": metrics_agree,
}
