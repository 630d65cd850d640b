"""`llmctl route experiments` on real files."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import typer
from scipy.stats import chi2
from statsmodels.stats.proportion import proportion_confint
from typer.testing import CliRunner, Result

from llmctl.clock import SystemClock
from llmctl.commands.route_experiments import collect, experiments, report
from llmctl.errors import UsageError
from llmctl.model.record import Decision, Record
from llmctl.routing.experiment import AbOptions, CanaryOptions, Split, experiment
from llmctl.routing.features import Features, Tools
from tests.commands.keeping import keep

BEGAN = SystemClock().wall() - 100
app = typer.Typer()
app.command()(experiments)


def record(number: int, decision: Decision | None, state: str = "ok", **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": f"req_{number}",
        "started": BEGAN,
        "duration_us": 1,
        "http_status": 200,
        "policy": "p1",
    }
    return Record(**(fields | {"state": state, "decision": decision} | changes))


def decided(arm: str, propensity: float, name: str = "tone", reason: str = "experiment") -> Decision:
    return Decision("m", "ab", reason, propensity, name, arm)


def counted(counts: dict[str, int], shares: dict[str, float], **changes: Any) -> Iterator[Record]:
    for arm, count in counts.items():
        yield from (record(i, decided(arm, shares[arm]), **changes) for i in range(count))


def run(*args: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False, standalone_mode=False)
    assert result.exit_code == 0
    return result


def found(records: list[Record], name: str = "tone") -> dict[str, Any]:
    return report(name, collect(records)[name])


HALVES = {"a": 0.5, "b": 0.5}


def test_arms_with_their_shares_and_answers(tmp_path: Path) -> None:
    records = [*counted({"a": 52, "b": 46}, HALVES), *counted({"b": 2}, HALVES, state="failed"), record(1, None)]
    result = run("--traces", keep(tmp_path / "r", records), "--json")
    (one,) = json.loads(result.stdout)
    assert (one["experiment"], one["n"], one["mismatch"], one["periods"]) == ("tone", 100, False, 1)
    assert one["p"] == pytest.approx(chi2.sf(0.16, 1), abs=1e-9)
    assert one["arms"][0] == {
        "arm": "a", "n": 52, "units": 52, "share": 0.52, "expected": 0.5, "answered": 1.0, "interval": [0.93121, 1.0],
    }  # fmt: skip
    assert one["arms"][1]["answered"] == pytest.approx(46 / 48, abs=1e-5)
    assert one["arms"][1]["interval"] == pytest.approx(proportion_confint(46, 48, method="wilson"), abs=1e-5)
    assert result.stderr == ""


def test_for_people_and_with_a_warning(tmp_path: Path) -> None:
    records = [*counted({"a": 300, "b": 200}, HALVES), *counted({"x": 2, "y": 1}, {"x": 0.9, "y": 0.1})]
    records[-3:] = [record(i, decided(arm, s, "few\x1b[1m")) for i, (arm, s) in enumerate([("x", 0.9), ("y", 0.1)])]
    result = run("--traces", keep(tmp_path / "r", records))
    few, tone = result.stdout.split("\n\n")
    assert "few\\x1b[1m: 2 exchanges; ratio of the arms: too few to say" in few
    assert tone.splitlines()[0] == "tone: 500 exchanges; ratio of the arms: p = 7.7e-06"
    assert tone.splitlines()[2].split()[:5] == ["a", "300", "300", "60.00%", "50.00%"]
    assert "100.00% (98.74% to 100.00%)" in tone
    assert result.stderr.count("warning") == 1
    assert "warning: tone: the ratio of its arms is off (p = 7.7e-06)" in result.stderr


def test_nothing_to_tell(tmp_path: Path) -> None:
    folder = keep(tmp_path / "r", [record(1, Decision("m", "fixed", "named"))])
    assert "no exchange in" in run("--traces", folder).stderr
    assert json.loads(run("--traces", folder, "--json").stdout) == []
    with pytest.raises(UsageError, match="no such folder"):
        run("--traces", tmp_path / "none")
    with pytest.raises(UsageError, match="--since"):
        run("--traces", folder, "--since", "soon")


def test_filters_apply(tmp_path: Path) -> None:
    records = [*counted({"a": 3}, HALVES, tenant="x"), *counted({"a": 4}, HALVES, tenant="y", started=BEGAN - 9e4)]
    folder = keep(tmp_path / "r", records)
    assert json.loads(run("--traces", folder, "--json", "--tenant", "x").stdout)[0]["n"] == 3
    assert json.loads(run("--traces", folder, "--json", "--since", "1h").stdout)[0]["n"] == 3
    assert json.loads(run("--traces", folder, "--json", "--until", "1h").stdout)[0]["n"] == 4


def test_mirrored_copies_do_not_count() -> None:
    assert found([record(1, decided("a", 0.5)), record(2, decided("a", 0.5), shadow_of="req_1")])["n"] == 1


def test_an_arm_that_never_came_is_missed() -> None:
    one = found(list(counted({"a": 60}, HALVES)))
    assert one["mismatch"]
    assert one["arms"][1] == {
        "arm": "(never seen)", "n": 0, "units": 0, "share": 0.0, "expected": 0.5, "answered": None, "interval": None,
    }  # fmt: skip


def test_few_subjects_are_not_judged() -> None:
    assert found(list(counted({"a": 5, "b": 0}, HALVES)))["p"] is None


def test_changed_weights_are_judged_apart() -> None:
    ramped = [
        *counted({"a": 90, "b": 10}, {"a": 0.9, "b": 0.1}),
        *counted({"a": 250, "b": 250}, HALVES, policy="p2"),
    ]
    one = found(ramped)
    assert (one["periods"], one["p"]) == (2, 1.0)
    assert [(arm["share"], arm["expected"]) for arm in one["arms"]] == [(0.56667, 0.56667), (0.43333, 0.43333)]
    wrong = [*counted({"a": 500, "b": 100}, {"a": 0.9, "b": 0.1}), *ramped[100:]]
    assert found(wrong)["mismatch"]


def test_policies_with_the_same_weights_are_one_period() -> None:
    records = [*counted({"a": 40, "b": 38}, HALVES), *counted({"a": 1}, HALVES, policy="p2")]
    assert found(records)["periods"] == 1
    assert found(records)["arms"][0]["units"] == 41


def test_contradictory_propensities_are_not_judged() -> None:
    records = [record(i, decided("a", 0.1 * (1 + i % 3))) for i in range(50)] + list(counted({"b": 50}, HALVES))
    one = found(records)
    assert one["p"] is None
    assert [arm["expected"] for arm in one["arms"]] == [None, None]
    assert found(list(counted({"a": 50, "b": 50}, {"a": 0.8, "b": 0.8})))["p"] is None


def assigned(split: Split, key: str, rng: Random) -> Decision:
    tools = Tools(embed=lambda text: pytest.fail("not asked"), language=lambda text: "")
    got = split.assign(Features({"messages": []}, "chat", tools, tokens=lambda: 1, key=key), rng)
    return Decision("m", "ab", f"{got.reason}; tier simple", got.propensity * 0.7, got.experiment, got.arm)


def test_subjects_are_counted_not_their_requests() -> None:
    split = experiment(AbOptions.model_validate({"name": "tone", "arms": {"a": {}, "b": {}}}))
    assert isinstance(split, Split)
    rng = Random(5)
    records = [
        record(i, assigned(split, f"key{i}", rng)) for i in range(200) for _ in range(500 if i == 3 else i % 7 + 1)
    ]
    one = found(records)
    assert sum(arm["units"] for arm in one["arms"]) == 200
    assert one["p"] > 0.01
    assert one["unsticky"] == 0
    assert [arm["expected"] for arm in one["arms"]] == [0.5, 0.5]  # of the reason, whatever the propensity

    one = found(records + [record(i, assigned(split, "", rng)) for i in range(30)])
    assert one["unsticky"] == 30
    assert sum(arm["units"] for arm in one["arms"]) == 230


def test_a_request_drawn_by_design_is_not_unsticky() -> None:
    options = {"name": "tone", "model": "n", "percent": 20, "subject": "request"}
    split = experiment(CanaryOptions.model_validate(options))
    assert isinstance(split, Split)
    rng = Random(6)
    one = found([record(i, assigned(split, "k", rng)) for i in range(1_000)])
    assert (one["unsticky"], one["mismatch"]) == (0, False)
    assert {arm["arm"]: arm["expected"] for arm in one["arms"]} == {"canary": 0.2, "stable": 0.8}
