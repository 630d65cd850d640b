"""The savings bench on short streams: its parts add up, nothing is lost, and its statistics are what they say."""

import asyncio
import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import savings
from bench.rig.savings_data import MODELS, SHAPES, SHARED, UNKNOWN, Answer, Arrival, Item, Mix, Pool, canned
from bench.rig.savings_figures import Row, bills, clustered, paired, quality, saved, waiting
from bench.rig.savings_world import SPEEDS, Arm, Hasty, Setting, configuration, run

NUMBERS = {"card_arrival": 101, "top_up_failed": 102}


def said(*answers: tuple[str, bool]) -> dict[str, Answer]:
    return {name: Answer(*one) for name, one in zip(MODELS, answers, strict=True)}


def reasoned(name: str, prompt: str, *answers: tuple[int, bool]) -> Item:
    return Item(name, "maths", prompt, said(*((f'{{"answer": "{number}"}}', right) for number, right in answers)))


def support(name: str, prompt: str) -> Item:
    return Item(name, "support", prompt, dict.fromkeys(MODELS, Answer(canned("card_arrival", NUMBERS), True)))


AGREED = reasoned("gsm#1", "What is 6 times 7?", (42, True), (42, True), (42, True))
DISPUTED = reasoned("gsm#2", "What is 17 times 23?", (391, True), (391, True), (401, False))
MISLED = reasoned("gsm#3", "How many days has a leap year?", (366, True), (365, False), (365, False))
ASKED = support("bank#1", "Where is my card?")
ITEMS = (AGREED, DISPUTED, MISLED, ASKED)


@cache
def length(text: str) -> int:
    return -(-len(text) // 4)


def both(folder: Path, *items: Item, gap: float = 100.0) -> tuple[Arm, Arm]:
    """Both arms of a stream of these."""
    stream = [Arrival(gap * at, item) for at, item in enumerate(items)]
    setting = Setting(SPEEDS["declared"], length, 0, time.time())
    arms = [
        run(stream, configuration(stack=stack), setting, folder, folder / f"records {stack}") for stack in (False, True)
    ]
    return arms[0], arms[1]


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> tuple[Arm, Arm]:
    return both(tmp_path_factory.mktemp("arms"), *ITEMS, ASKED)


def test_the_other_arm_asks_the_strong_model_alone(arms: tuple[Arm, Arm]) -> None:
    alone, _ = arms
    assert [[a.target for a in one.record.attempts] for one in alone.served] == [["strong"]] * 5
    assert all(one.item.right(one.text) for one in alone.served)
    assert alone.bugs == ()


def test_each_layer_does_what_it_is_there_for(arms: tuple[Arm, Arm]) -> None:
    rows = {row.item: row for row in paired(*arms)[:4]}
    assert rows["gsm#1"].bill.keys() == {"panels that agreed"}
    assert rows["gsm#2"].bill.keys() == {"panels that did not", "strong after them"}
    assert rows["gsm#3"].right == (True, False)
    assert rows["bank#1"].bill.keys() == {"support by strong"}
    again = paired(*arms)[4]
    assert (again.layer, again.usd[1], again.bill) == ("cache", 0.0, {})
    assert again.seconds[1] == 0.0  # the gateway's own work takes no time on this clock
    slow, quick = rows["gsm#2"].seconds[1], rows["gsm#2"].seconds[0]
    assert slow > quick + 0.3  # the panel first, then the strong model


def test_a_disputed_prompt_costs_all_three(arms: tuple[Arm, Arm]) -> None:
    row = paired(*arms)[1]
    assert row.usd[1] > row.usd[0]
    assert sum(row.bill.values()) == pytest.approx(row.usd[1])
    assert row.bill["strong after them"] == row.usd[0]


def test_time_leaps_and_waiting_is_measured_in_it(tmp_path: Path) -> None:
    began = time.monotonic()
    alone, _ = both(tmp_path, *ITEMS, gap=10_000.0)
    assert time.monotonic() - began < 5
    starts = [one.record.started for one in alone.served]
    assert np.diff(starts) == pytest.approx(10_000.0)
    assert all(0.1e6 < one.record.duration_us < 20e6 for one in alone.served)


def test_a_thread_holds_time_up() -> None:
    loop = Hasty()
    try:
        done = loop.create_task(asyncio.sleep(3600.0))

        async def beside() -> float:
            await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.05)
            return loop.time()

        assert loop.run_until_complete(beside()) < 1.0
        loop.run_until_complete(done)
        assert loop.time() == pytest.approx(3600.0)
    finally:
        loop.close()


def test_a_loop_that_waits_for_nothing_says_so() -> None:
    loop = Hasty()
    try:
        with pytest.raises(RuntimeError, match="nothing is left"):
            loop.run_until_complete(loop.create_future())
    finally:
        loop.close()


def test_an_answer_out_of_passages_is_right_while_it_is_there() -> None:
    item = Item("nq#1", "reading", "Document [1] It rose in 1906.", {}, ("1906",))
    assert item.right(item.answer("strong", item.prompt))
    assert item.answer("strong", "Document [1] […]") == UNKNOWN
    assert not item.right(UNKNOWN)


def test_answers_of_two_intents_differ() -> None:
    first, second = (support_text for support_text in (canned(intent, NUMBERS) for intent in NUMBERS))
    assert "article 101" in first
    assert "article 102" in second
    assert not ASKED.right(second)


def pooled() -> Pool:
    reasoning = tuple(reasoned(f"gsm#{at}", f"{at}?", (1, True), (1, True), (1, True)) for at in range(30))
    reading = tuple(Item(f"nq#{at}", "reading", f"{at}", {}, ("x",)) for at in range(20))
    return Pool(
        reasoning, tuple(support(f"bank#{at}", f"{at}") for at in range(40)), reading, {"azure": tuple(range(80))}
    )


def test_a_stream_has_its_shares_and_no_text_twice() -> None:
    pool = pooled()
    stream = pool.stream("azure", Mix(0.3, 0.2), 1, 30)
    routes = [one.item.route for one in stream]
    assert [routes.count(route) for route in ("maths", "support", "reading")] == [30, 18, 12]
    assert len({one.item.id for one in stream}) == 60
    assert [one.at for one in stream] == list(range(60))
    assert stream == pool.stream("azure", Mix(0.3, 0.2), 1, 30)
    assert stream != pool.stream("azure", Mix(0.3, 0.2), 2, 30)
    others = pool.others(stream, 100, 1)
    assert len(others) == 22
    assert not {item.id for item in others} & {one.item.id for one in stream}
    with pytest.raises(ValueError, match="the azure trace has 80"):
        pool.stream("azure", Mix(0.65), 1, 30)


def row(item: str, usd: tuple[float, float], right: tuple[bool, bool] = (True, True), seconds: float = 1.0) -> Row:
    return Row(item, "maths", usd, right, (1.0, seconds), "cascade", {"panels that agreed": usd[1]})


def test_the_interval_is_that_of_means_over_clusters() -> None:
    values = np.array([1.0, 0.0, -1.0, 1.0, 1.0, 0.0])
    apart = clustered(values, np.arange(6))
    error = values.std(ddof=1) / np.sqrt(6)
    assert apart.value == pytest.approx(1 / 3)
    assert (apart.low, apart.high) == pytest.approx((1 / 3 - 1.959964 * error, 1 / 3 + 1.959964 * error))
    thrice = clustered(np.repeat(values, 3), np.repeat(np.arange(6), 3))
    assert thrice == pytest.approx(apart)  # the same questions three times tell no more
    with pytest.raises(ValueError, match="one cluster"):
        clustered(values, np.zeros(6, np.intp))


def test_the_interval_covers() -> None:
    rng, held = np.random.default_rng(1), 0
    for _ in range(400):
        found = clustered(np.repeat(rng.normal(0.1, 1.0, 60), 2), np.repeat(np.arange(60), 2))
        held += found.low <= 0.1 <= found.high
    assert 0.91 < held / 400 < 0.98


def test_what_is_saved_counts_judges() -> None:
    rows = [row(f"q{at}", (1.0, 0.4)) for at in range(50)]
    assert saved(rows, 0.0).told() == {"value": 0.6, "low": 0.6, "high": 0.6}
    assert saved(rows, 5.0).value == pytest.approx(0.5)
    assert bills(rows, 5.0)["judges and copies"] == 5.0


def test_waiting_is_compared_at_the_quantile() -> None:
    rows = [row(f"q{at}", (1.0, 1.0), seconds=3.0 if at % 10 == 0 else 0.5) for at in range(400)]
    assert waiting(rows, 0.5)["ratio"]["value"] == 0.5
    found = waiting(rows, 0.95)
    assert found["seconds"] == [1.0, 3.0]
    assert found["ratio"] == {"value": 3.0, "low": 3.0, "high": 3.0}


def test_quality_counts_both_ways() -> None:
    rows = [row("a", (1, 1), (True, False)), row("b", (1, 1), (False, True)), row("c", (1, 1)), row("c", (1, 1))]
    found = quality(rows)
    assert (found["better"], found["worse"], found["difference"]["value"]) == (1, 1, 0.0)
    assert found["right"] == [0.75, 0.75]


@pytest.fixture(scope="module")
def quick() -> dict[str, Any]:
    found = {}
    for name in (savings.JUDGED, savings.FULL):
        streams = [savings.measured(savings.Job(name, "mooncake", 0, 60))]
        found[name] = {"told": savings.told(savings.CASES[name], streams), "streams": streams}
    return found


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
@pytest.mark.parametrize("name", [savings.JUDGED, savings.FULL])
def test_parts_are_the_whole(quick: dict[str, Any], name: str) -> None:
    found, (one,) = quick[name]["told"], quick[name]["streams"]
    layers = found["layers"].values()
    assert sum(layer["requests"] for layer in layers) == found["requests"] == len(one.rows)
    assert sum(layer["always_strong_usd"] for layer in layers) == pytest.approx(found["always_strong_usd"])
    assert sum(layer["full_stack_usd"] for layer in layers) + one.besides == pytest.approx(found["full_stack_usd"])
    assert sum(found["bill"].values()) == pytest.approx(found["full_stack_usd"])
    share = 1 - found["full_stack_usd"] / found["always_strong_usd"]
    assert found["saved"]["value"] == pytest.approx(share, abs=1e-4)
    assert sum(layer["saved_share_of_all"] for layer in layers) == pytest.approx(share, abs=1e-3)
    assert found["unanswered"] == 0
    assert found["bugs"] == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
@pytest.mark.parametrize("name", [savings.JUDGED, savings.FULL])
def test_the_records_say_the_same(quick: dict[str, Any], name: str) -> None:
    found, (one,) = quick[name]["told"], quick[name]["streams"]
    assert one.alone.compared == one.stack.compared == len(one.rows)
    assert float(one.alone.baseline) == pytest.approx(found["always_strong_usd"])
    assert one.alone.share == 0
    report = found["cost_report"]
    assert report["actual_usd"] + report["apart_usd"] == pytest.approx(found["full_stack_usd"])
    assert sum(report["saved_usd_by_layer"].values()) == pytest.approx(report["baseline_usd"] - report["actual_usd"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_the_layers_are_all_at_work(quick: dict[str, Any]) -> None:
    layers = quick[savings.FULL]["told"]["layers"]
    assert layers["none"]["saved_usd"] == pytest.approx(0.0)
    for name in ("compression", "cascade", "complexity"):
        assert layers[name]["saved_usd"] > 0, name
    judged = quick[savings.JUDGED]["told"]["layers"]
    assert judged["compression"]["requests"] == judged["complexity"]["requests"] == 0


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_a_quick_run_says_all_and_judges(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(savings, "QUICK", 40)
    code = savings.main(["--quick"])
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert list(found["cases"]) == [savings.JUDGED, savings.FULL]
    assert found["seeds"] == {name: [0] for name in found["cases"]}
    assert len(found["bars"]) == 4 * len(SHAPES)
    missed = [bar for bar in found["bars"] if not bar["pass"]]
    assert code == bool(missed)
    assert all(f"missed: {bar['name']}" in err for bar in missed)


def test_without_the_data_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(savings, "SHARED", tmp_path / "none")
    assert savings.main(["--quick"]) == 2
    assert "is not here" in capsys.readouterr().err
