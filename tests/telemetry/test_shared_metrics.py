"""Counters never go back while their supervisor lives, whoever dies."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llmctl.clock import SystemClock
from llmctl.telemetry.series import Families, Family
from llmctl.telemetry.shared_metrics import STALE, SharedMetrics
from llmctl.testing.clock import ManualClock


def families(count: float, gauge: float = 0.0) -> Families:
    requests = Family("requests_total", "", "counter", ("model",))
    requests.cell("small").value = count
    busy = Family("busy", "", "gauge")
    busy.cell().value = gauge
    times = Family("seconds", "", "histogram", (), (0.1, 1.0))
    times.cell().counts[1] = int(count)
    times.cell().value = count / 2
    times.cell().trails[1] = ("req", "trace", 0.5, count)
    return {f.name: f for f in (requests, busy, times)}


def shown(shared: SharedMetrics, own: Families) -> tuple[float, float, list[int]]:
    total = shared.total(own)
    busy = total["busy"].cells.get(())
    return total["requests_total"].cells["small",].value, busy.value if busy else 0.0, total["seconds"].cells[()].counts


def test_sums_the_living(tmp_path: Path, clock: ManualClock) -> None:
    a, b = SharedMetrics(tmp_path / "m", clock), SharedMetrics(tmp_path / "m", clock)
    a.publish(families(5, 2))
    assert shown(b, families(7, 1)) == (12, 3, [0, 12, 0])
    assert b.total(families(7))["seconds"].cells[()].trails == {1: ("req", "trace", 0.5, 7.0)}


def test_the_dead_keep_their_counters_and_lose_their_gauges(tmp_path: Path, clock: ManualClock) -> None:
    a, b = SharedMetrics(tmp_path, clock), SharedMetrics(tmp_path, clock)
    a.close(families(5, 2))
    assert shown(b, families(7, 1)) == (12, 1, [0, 12, 0])


def test_counting_began_with_the_first_worker_also_for_one_that_takes_its_place(
    tmp_path: Path, clock: ManualClock
) -> None:
    a, b = SharedMetrics(tmp_path, clock), SharedMetrics(tmp_path, clock)
    began = b.began
    for slot, ago in ((tmp_path / "0.lock", 60), (tmp_path / "1.lock", 50)):
        os.utime(slot, (began - ago, began - ago))
    a.publish(families(5))
    a.close(families(5))
    assert SharedMetrics(tmp_path, clock).began == pytest.approx(began - 60)


def test_who_hangs_loses_gauges_only(tmp_path: Path, clock: ManualClock) -> None:
    a, b = SharedMetrics(tmp_path, clock), SharedMetrics(tmp_path, clock)
    a.publish(families(5, 2))
    clock.advance(STALE)
    assert shown(b, families(7, 1)) == (12, 1, [0, 12, 0])


def test_successors_count_on_in_the_same_file(tmp_path: Path, clock: ManualClock) -> None:
    watcher = SharedMetrics(tmp_path, clock)
    for generation in range(10):
        worker = SharedMetrics(tmp_path, clock)
        assert shown(worker, families(1, 1))[0] == generation + 1
        worker.close(families(1, 1))
        assert shown(watcher, families(0))[:2] == (generation + 1, 0)
    assert len(list(tmp_path.glob("*.slot"))) == 2


WORKER = """
import signal, sys
from pathlib import Path
from llmctl.clock import SystemClock
from llmctl.telemetry.series import Family
from llmctl.telemetry.shared_metrics import SharedMetrics

requests, busy = Family("requests_total", "", "counter", ("model",)), Family("busy", "", "gauge")
requests.cell("small").value, busy.cell().value = 3, 1
SharedMetrics(Path(sys.argv[1]), SystemClock()).publish({"requests_total": requests, "busy": busy})
print("published", flush=True)
signal.pause()
"""


def test_a_killed_worker_leaves_its_slot_free(tmp_path: Path) -> None:
    mine = SharedMetrics(tmp_path, SystemClock())
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"published\n"
    assert shown(mine, families(1, 1)) == (4, 2, [0, 1, 0])
    process.kill()
    process.wait()
    process.stdout.close()
    successor = SharedMetrics(tmp_path, SystemClock())
    assert shown(successor, families(0)) == (4, 1, [0, 1, 0])
    assert len(list(tmp_path.glob("*.slot"))) == 2


def test_rubbish_and_other_versions_are_passed_over(tmp_path: Path, clock: ManualClock) -> None:
    a, b = SharedMetrics(tmp_path, clock), SharedMetrics(tmp_path, clock)
    (tmp_path / "9.slot").write_bytes(b"rubbish")
    a.publish({"requests_total": Family("requests_total", "", "counter", ("other",), cells={})})
    assert shown(b, families(7, 1)) == (7, 1, [0, 7, 0])


def test_a_folder_that_went_away_is_no_outage(tmp_path: Path, clock: ManualClock) -> None:
    shared = SharedMetrics(tmp_path / "m", clock)
    for path in (tmp_path / "m").iterdir():
        path.unlink()
    (tmp_path / "m").rmdir()
    assert shown(shared, families(7, 1)) == (7, 1, [0, 7, 0])


def test_a_folder_that_cannot_be_is_an_error_at_start(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "m").write_text("in the way")
    with pytest.raises(OSError, match="exists"):
        SharedMetrics(tmp_path / "m", clock)


def test_a_share_is_the_least_and_a_bound_the_highest_of_all(tmp_path: Path, clock: ManualClock) -> None:
    def own(value: float) -> Families:
        both = (Family("bound", "", "peak", ("route",)), Family("left", "", "least", ("budget",)))
        for family in both:
            family.cell("x").value = value
        return {family.name: family for family in both}

    a, b = SharedMetrics(tmp_path, clock), SharedMetrics(tmp_path, clock)
    a.publish(own(0.25))
    for mine, bound, left in ((0.75, 0.75, 0.25), (0.125, 0.25, 0.125)):
        total = b.total(own(mine))
        assert (total["bound"].cells["x",].value, total["left"].cells["x",].value) == (bound, left)
    assert total["left"].metric().type == "gauge"
    a.close(own(0.0))
    assert b.total(own(0.5))["left"].cells["x",].value == 0.5


def test_what_was_shown_was_published_before_also_while_counts_change(tmp_path: Path, clock: ManualClock) -> None:
    a, b, own = SharedMetrics(tmp_path, clock), SharedMetrics(tmp_path, clock), families(0)
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            own["requests_total"].cells["small",].value += 1
            a.publish(own)
            stop.wait(1e-4)

    thread = threading.Thread(target=count)
    thread.start()
    last = 0.0
    try:
        for _ in range(100):
            by_a = shown(a, own)[0]
            by_b = shown(b, families(0))[0]  # what is left of `a` if it is killed now
            assert last <= by_a <= by_b
            last = by_b
    finally:
        stop.set()
        thread.join()
    assert last > 0
