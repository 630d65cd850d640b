"""The benchmark's own instruments, on the Python responder: what they count must be what was sent."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.rig.open_loop import open_loop, percentiles_ms
from bench.rig.plan import Plan
from bench.rig.processes import BenchFailed, answers, cpu_seconds, free_port, process, rss_mb, tree
from bench.rig.report import ROOT, Bar, Section
from bench.rig.runner import run
from bench.rig.streams import Source, relay
from bench.rig.wrk import PROMPT, chat_body

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the rig reads /proc")

CHUNKS = 20


@pytest.fixture
def responder(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Port and pid of an upstream with `CHUNKS` chunks, a millisecond apart."""
    port = free_port()
    command = [sys.executable, str(ROOT / "bench/rig/responder.py"), str(port), str(CHUNKS), "1000"]
    with process(command, tmp_path, lambda: answers(port, "/")) as pid:
        yield port, pid


def request(*, stream: bool) -> bytes:
    body = chat_body("mock", stream=stream)
    return b"POST / HTTP/1.1\r\nhost: mock\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def test_streams_are_counted_to_the_chunk(responder: tuple[int, int]) -> None:
    port, pid = responder
    found = relay(Source(port, request(stream=True), CHUNKS, pid), 4, settle=0.1, seconds=0.5)
    assert found.errors == []
    assert found.finished > 4
    assert found.chunks_per_s > 100


def test_a_stream_of_another_length_is_an_error(responder: tuple[int, int]) -> None:
    port, pid = responder
    found = relay(Source(port, request(stream=True), CHUNKS + 1, pid), 1, settle=0.0, seconds=0.3)
    assert found.errors[0] == f"a stream had {CHUNKS} chunks instead of {CHUNKS + 1}"


def test_the_open_loop_sends_what_was_scheduled(responder: tuple[int, int]) -> None:
    looks: list[float] = []
    port, _ = responder
    found = open_loop(port, request(stream=False), rate=200, seconds=1, every=0.5, look=looks.append, connections=4)
    assert (found.errors, found.unfinished) == ([], 0)
    assert found.sent == len(found.response) == pytest.approx(200, abs=2)
    assert percentiles_ms(found.response)["p50_ms"] > 0
    assert looks[-1] == 1


def test_processes_are_weighed_with_their_children(responder: tuple[int, int]) -> None:
    _, pid = responder
    assert pid in tree(pid)
    assert rss_mb(pid) > 1
    assert cpu_seconds(pid) > 0


def test_a_process_that_ends_early_says_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such port')"]
    with pytest.raises(BenchFailed, match="no such port"), process(command, tmp_path, lambda: False, within=20):
        pass


def test_a_bar_is_passed_on_its_own_side() -> None:
    assert Bar("rate", 2, "at least", 2, "1/s").passed
    assert not Bar("rate", 1, "at least", 2, "1/s").passed
    assert Bar("errors", 0, "at most", 0, "requests").row()["pass"] is True
    assert Bar("errors", 1, "at most", 0, "requests").row()["pass"] is False


def test_the_prompt_is_as_long_as_it_says() -> None:
    assert len(PROMPT) == pytest.approx(150, abs=5)


def scenario(*figures: float) -> Callable[[Plan], Section]:
    bars = [Bar("rate", figure, "at least", 2, "1/s") for figure in figures]
    return lambda plan: Section("a mock", {"repeats": plan.repeats}, bars)


def unmeasurable(plan: Plan) -> Section:
    raise BenchFailed(f"nothing in {plan.scratch.name[:13]}")


@pytest.mark.parametrize(
    ("chosen", "code"), [(["good"], 0), (["good", "poor"], 3), (["broken", "good"], 1), (["poor", "broken"], 1)]
)
def test_what_was_measured_is_told_and_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], chosen: list[str], code: int
) -> None:
    scenarios = {"good": scenario(2, 3), "poor": scenario(1234.5, 1.5), "broken": unmeasurable}
    assert run(Plan, tmp_path, scenarios, chosen, "no model was called") == code
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["figures"] == "no model was called"
    passed = {"good": [True, True], "poor": [True, False], "broken": []}
    assert [bar["pass"] for bar in found["bars"]] == [bar for name in chosen for bar in passed[name]]
    for name in chosen:
        if name == "broken":
            assert found[name] == {"failed": "nothing in llmctl-bench-"}
        else:
            assert (found[name]["upstream"], found[name]["repeats"]) == ("mock: a mock", 3)
            assert found[name]["noise"]["seconds"] >= 0
    assert ("missed: rate is 1.500 1/s, at least 2 asked" in err) == ("poor" in chosen)
    assert ("broken failed: nothing" in err) == ("broken" in chosen)
    assert list(tmp_path.iterdir()) == []
