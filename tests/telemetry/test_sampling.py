"""What went wrong or was slow is always chosen, of the rest a share by the trace id, and never more than the cap."""

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from llmctl.model.record import Failure, Record
from llmctl.telemetry.sampling import DIGITS, Sampler, _threshold
from llmctl.testing.clock import ManualClock

MakeRecord = Callable[..., Record]


def sampler(share: float = 0.0, per_second: int = 10_000, clock: ManualClock | None = None) -> Sampler:
    return Sampler(share, 10.0, per_second, clock or ManualClock())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "failed", "http_status": 502}, "failed"),
        ({"state": "failed", "http_status": 400}, "failed"),
        ({"state": "blocked", "http_status": 400}, "blocked"),
        ({"state": "aborted", "failure": Failure("upstream_connection_lost", "", 502)}, "failed"),
        ({"state": "aborted", "failure": Failure("client_closed_request", "", 499)}, ""),
        ({"duration_us": 10_000_000}, "slow"),
        ({"duration_us": 9_999_999}, ""),
    ],
)
def test_what_went_wrong_or_was_slow_is_always_chosen(record: MakeRecord, changes: dict[str, Any], why: str) -> None:
    assert sampler().choose(record(**changes)) == why


def traces(count: int, seed: int = 7) -> list[str]:
    random = Random(seed)
    return [f"{random.getrandbits(128):032x}" for _ in range(count)]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_is_kept_within_what_chance_allows(record: MakeRecord, share: float) -> None:
    count, clock = 20_000, ManualClock()
    made = sampler(share, clock=clock)
    chosen = 0
    for trace_id in traces(count):
        clock.advance(0.01)
        chosen += made.choose(record(trace_id=trace_id)) == "share"
    assert abs(chosen - count * share) < 4.5 * math.sqrt(count * share * (1 - share))
    assert made.passed_over == {"not_sampled": count - chosen, "over_rate": 0}


def test_all_samplers_choose_the_same_traces_and_a_smaller_share_is_part_of_a_larger(record: MakeRecord) -> None:
    def chosen(share: float) -> set[str]:
        made = sampler(share)
        return {one for one in traces(2000) if made.choose(record(trace_id=one, id=f"other{share}"))}

    assert chosen(0.2) == chosen(0.2)
    assert chosen(0.05) < chosen(0.2)


def test_the_shares_at_the_ends_take_all_and_none(record: MakeRecord) -> None:
    ids = ["0" * 32, "f" * 32, "", *traces(50)]
    assert all(sampler(1.0).choose(record(trace_id=one)) == "share" for one in ids)
    for share in (0.0, 1e-30):
        assert not any(sampler(share).choose(record(trace_id=one)) for one in ids)
    assert _threshold(0.5) == "8" + "0" * (DIGITS - 1)


def test_no_more_than_the_cap_is_chosen_and_the_rest_is_counted(record: MakeRecord) -> None:
    clock = ManualClock()
    made, bad = sampler(0.0, 10, clock), record(state="failed", http_status=500)
    assert sum(bool(made.choose(bad)) for _ in range(25)) == 10
    assert made.passed_over == {"not_sampled": 0, "over_rate": 15}
    clock.advance(0.5)
    assert sum(bool(made.choose(bad)) for _ in range(25)) == 5
    clock.advance(3600)
    assert sum(bool(made.choose(bad)) for _ in range(25)) == 10


def test_the_share_leaves_room_for_failures(record: MakeRecord) -> None:
    made = sampler(1.0, 10)
    assert sum(bool(made.choose(record())) for _ in range(25)) == 5
    assert sum(bool(made.choose(record(state="blocked"))) for _ in range(25)) == 5
    assert sampler(1.0, 1).choose(record()) == "share"
