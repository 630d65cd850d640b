"""What is told of alerts that fire."""

from llmctl.alerts.alert import Alert
from llmctl.alerts.incidents import REPEAT, Incident, Incidents
from llmctl.alerts.slo import Severity


def alert(name: str = "A", severity: Severity = "page", since: float = 0.0, **labels: str) -> Alert:
    return Alert(name, severity, "llmctl", "up", labels, name, "", "runbooks/a.md", 1.0, since)


def said(incidents: Incidents, now: float, *firing: Alert) -> list[tuple[str, str, bool]]:
    return [(each.kind, each.alert.name, each.repeat) for each in incidents.update(now, firing)]


def test_alerts_of_one_key_are_one_incident_named_after_the_first() -> None:
    incidents = Incidents()
    fast, slow = alert("Fast", since=10), alert("Slow", since=5)
    assert said(incidents, 10, fast, slow) == [("trigger", "Slow", False)]
    assert said(incidents, 11, fast) == []
    assert said(incidents, 12) == [("resolve", "Slow", False)]
    assert said(incidents, 13) == []


def test_guards_are_told_apart() -> None:
    incidents = Incidents()
    assert len(incidents.update(1, [alert(guard="pii"), alert(guard="pace")])) == 2
    (over,) = incidents.update(2, [alert(guard="pii")])
    assert (over.kind, over.alert.labels) == ("resolve", {"guard": "pace"})


def test_a_page_keeps_back_the_ticket_until_it_is_over() -> None:
    incidents = Incidents()
    page, ticket, other = alert("P"), alert("T", "ticket"), alert("O", "ticket", guard="pii")
    assert said(incidents, 1, ticket, page, other) == [("trigger", "P", False), ("trigger", "O", False)]
    assert said(incidents, 2, ticket, other) == [("resolve", "P", False), ("trigger", "T", False)]
    # It has been told, so its end is told as well.
    assert said(incidents, 3, ticket, page, other) == [("trigger", "P", False)]
    assert said(incidents, 4, page, other) == [("resolve", "T", False)]


def test_what_goes_on_is_told_again() -> None:
    incidents = Incidents()
    page, ticket = alert("P"), alert("T", "ticket", guard="x")
    incidents.update(0, [page, ticket])
    assert said(incidents, REPEAT["page"] - 1, page, ticket) == []
    assert said(incidents, REPEAT["page"], page, ticket) == [("trigger", "P", True)]
    assert said(incidents, REPEAT["page"] + 1, page, ticket) == []
    assert said(incidents, REPEAT["ticket"], page, ticket) == [("trigger", "P", True), ("trigger", "T", True)]


def test_what_was_open_before_is_ended() -> None:
    incidents = Incidents([Incident(alert(since=1), 1)])
    assert [each.alert.since for each in incidents.update(2, [])] == [1]
