from llmctl.config.finding import Finding, KeyPath, Mark, dotted, nearest_mark, ordered


def test_dotted() -> None:
    assert dotted(("keys", 0, "id")) == "keys[0].id"
    assert dotted(("models", "gpt-4.1", "provider")) == 'models."gpt-4.1".provider'
    assert dotted((0, "a")) == "[0].a"
    assert dotted(("",)) == '""'


def test_a_finding_names_file_line_and_key() -> None:
    assert str(Finding(Mark("a.yaml", 3), ("server", "port"), "why")) == "a.yaml:3: server.port: why"
    assert str(Finding(Mark("a.yaml", 3), (), "why")) == "a.yaml:3: why"


def test_nearest_mark_climbs() -> None:
    marks: dict[KeyPath, Mark] = {(): Mark("a", 1), ("x",): Mark("a", 2)}
    assert nearest_mark(marks, ("x", "y", 3)) == Mark("a", 2)
    assert nearest_mark(marks, ("z",)) == Mark("a", 1)


def test_findings_come_in_the_order_of_the_file_and_once() -> None:
    later, sooner = Finding(Mark("a", 10), (), "later"), Finding(Mark("a", 9), (), "sooner")
    assert ordered([later, sooner, later]) == ["a:9: sooner", "a:10: later"]
