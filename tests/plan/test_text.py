"""The report on one screen: nothing is silent, nothing obeys the terminal."""

from pathlib import Path

from msgspec import structs

from llmctl.plan.report import Check, Plan
from llmctl.plan.text import as_text, when
from tests.plan.recorded import TWO, asked, chats, configured, planned

HALF = "routes: {auto: {kind: weighted, weights: {small: 1, large: 1}}}\n"
RULES = "options: {patterns: [{name: w, regex: haiku, action: block}]}"
WORD = "guardrails: {policies: {word: {kind: pattern, on_error: block, " + RULES + "}}}\n"
MORE = HALF.replace("large: 1}}", "large: 3}, fallbacks: [large]}") + WORD + "budgets: {limits: {all: {usd: 1}}}\n"


def made(folder: Path, old: str = HALF, new: str = MORE, texts: tuple[str, ...] = ("a haiku", "b", "c", "d")) -> Plan:
    one, two = configured(folder, "old", TWO + old), configured(folder, "new", TWO + new)
    return planned(one, two, asked(one, chats(60, texts=texts)))


def test_everything_is_there(tmp_path: Path) -> None:
    text = as_text(made(tmp_path))
    for part in (
        "60 requests",
        "~ routes.auto.weights.large: 1 -> 3",
        "limits      unchanged",
        "newly blocked",
        "25.00%",
        "model changes",
        "cost at the recorded tokens",
        "small → large: 15 requests (25.0%)",
        "resilience  not evaluated: retries",
        "budgets     not evaluated",
        "word: allow → block: 15 requests",
        "note: routes: each stage is judged by itself",
    ):
        assert part in text, part
    assert len(text.splitlines()) < 50
    assert "'mode'" in text
    assert "'sources': None" not in text
    assert "by weights alone" not in text


def test_no_support_is_said_and_no_number(tmp_path: Path) -> None:
    text = as_text(made(tmp_path, "routes: {auto: {kind: fixed, model: small}}\n", HALF))
    (line,) = (line for line in text.splitlines() if line.split()[:2] == ["cost", "no"])
    assert "no support: 50.0% of what NEW would choose otherwise goes to large" in line


def test_nothing_differs(tmp_path: Path) -> None:
    text = as_text(made(tmp_path, HALF, HALF))
    assert "nothing differs in meaning" in text
    assert text.count("unchanged") == 5


def test_clients_do_not_command_the_terminal(tmp_path: Path) -> None:
    plan = made(tmp_path)
    stage = plan.stages[3]
    odd = [structs.replace(stage.kinds[0], name="\x1b[31m \u202e")]
    text = as_text(structs.replace(plan, stages=[structs.replace(stage, kinds=odd)]))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b[31m" in text


def test_conditions_stand_at_the_end(tmp_path: Path) -> None:
    plan = structs.replace(
        made(tmp_path), checks=[Check("cost>1%", True, "upper limit +0.5"), Check("no_support", False, "nothing")]
    )
    assert as_text(plan).splitlines()[-3:] == [
        "--fail-on",
        "  FAILED  cost>1%  (upper limit +0.5)",
        "  ok      no_support  (nothing)",
    ]


def test_times() -> None:
    assert when(0) == "1970-01-01 00:00"
    assert when(None) == "?"
