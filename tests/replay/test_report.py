"""What is told of a replay."""

import json

from llmctl.clock import SystemClock
from llmctl.gateway.remote import RemoteGateway
from llmctl.replay.difference import Difference
from llmctl.replay.pace import Times
from llmctl.replay.report import figures, lines
from llmctl.replay.run import Plan, Replay
from tests.replay.test_difference import embed


def made() -> Replay:
    return Replay(RemoteGateway("http://127.0.0.1:9"), SystemClock(), embed, Plan(), None)


def test_figures_are_json_even_where_there_is_no_spread() -> None:
    replay = made()
    for _ in range(3):
        replay.differences.cost.add(0.5, 0.25)
        replay.differences.seconds.add(0.1, 0.3)
    told = figures(replay)
    assert json.loads(json.dumps(told, allow_nan=False))["usd"]["difference"]["estimate"] == -0.25
    assert any("(? to ?)" in line for line in lines(told))


def test_late_sending_is_told() -> None:
    replay = made()
    replay.times = Times(offered=1)
    replay.times.add(0.0, 1.0, 1.1)
    assert any(line.startswith("! timing") for line in lines(figures(replay)))


def test_no_answer_makes_another_line() -> None:
    replay = made()
    replay.differences.add("r", Difference(False, False, 0.1), "a\nb\x1b[31m", "c\u2028d")
    (then,) = [line for line in lines(figures(replay)) if line.startswith("  then")]
    assert then == "  then      a b [31m"
