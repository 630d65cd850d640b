"""What makes two alerts one incident."""

from dataclasses import replace

from tests.alerts.test_incidents import alert


def test_the_key_is_that_of_promise_severity_and_labels() -> None:
    one = alert("Fast", guard="pii", route="x")
    same = [alert("Slow", since=9, route="x", guard="pii"), replace(one, value=7.0, summary="other")]
    assert {each.key for each in same} == {one.key}
    others = [
        alert("Fast", "ticket", guard="pii", route="x"),
        alert("Fast", guard="pii"),
        replace(one, slo="down"),
        replace(one, service="shop"),
    ]
    assert len({one.key, *(each.key for each in others)}) == 5


def test_the_key_fits_pagerdutys_dedup_key() -> None:
    assert len(alert("x" * 500, guard="y" * 500).key) <= 255
