import numpy as np

from llmctl.evals.compare import compare
from llmctl.evals.comparison import Comparison, as_json
from llmctl.evals.comparison_text import aligned, as_text, figure, limits, plain
from llmctl.evals.suite import DecisionConfig
from llmctl.statistics.interval import Interval
from tests.evals.made import answers, priced

RANDOM = np.random.default_rng(1)


def found() -> Comparison:
    a = answers([float(one) for one in RANDOM.random(200) < 0.9], "old", cost=priced(*RANDOM.random(200)))
    b = answers([float(one) for one in RANDOM.random(200) < 0.5], "new", cost=priced(*RANDOM.random(200)))
    return compare(a, [*b, *answers([None], "new", item="extra")], DecisionConfig())


def test_text_has_interval_n_confidence_and_method_beside_each_estimate() -> None:
    text = as_text(found())
    score = next(line for line in text.splitlines() if line.startswith("score"))
    assert " at 95%  " in score
    assert "  200  Tango   " in score
    assert score.endswith(score[score.index("A is better by") :])
    assert "\nverdict: A is better by 0." in text
    assert "\ncaution: 1 items are only in B and are left out: extra" in text
    assert text.startswith("A  old: 200 items, 200 answers\nB  new: 201 items, 201 answers, 1 errors, 1 items unscored")


def test_a_name_cannot_command_the_terminal() -> None:
    a = answers([1.0, 0.0], "\x1b[31mred")
    assert "\x1b" not in as_text(compare(a, a, DecisionConfig()))
    assert plain("a\x1b\u202e") == "a\\x1b\\u202e"


def test_figures_and_limits() -> None:
    assert (figure(-0.000012345, "USD"), figure(12.5, "USD"), figure(0, "USD")) == ("-$0.00001234", "$12.50", "$0.00")
    assert (figure(1.5, "s"), figure(float("inf")), figure(0.00012345)) == ("1.5 s", "?", "0.0001234")
    assert limits(Interval(0.1, -float("inf"), 0.2, 0.9, 3, "t")) == "? to 0.2 at 90%"


def test_columns_are_aligned_without_blanks_at_the_end() -> None:
    assert aligned([("a", "bb", "c"), ("aaa", "b", "")], (0, 2)) == ["a    bb  c", "aaa   b"]


def test_json_has_every_estimate_and_check() -> None:
    told = as_json(found())
    assert [one["name"] for one in told["estimates"]] == ["score", "cost", "latency"]
    assert told["b"]["only_here"] == ["extra"]
    assert told["checks"]["missing"]["score"]["p"] == 1.0


def test_estimates_are_found_by_name() -> None:
    comparison = found()
    assert comparison.named("cost").role == "beside"
    assert [one.name for one in comparison.primary] == ["score"]
