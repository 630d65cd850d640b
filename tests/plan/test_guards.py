"""Policies that differ, over records of a real gateway; and the same over a gateway of the new ones."""

from pathlib import Path

import pytest
from msgspec import structs

from llmctl.plan.report import Stage
from tests.plan.recorded import TWO, asked, chats, configured, found, planned

RULES = "{patterns: [{name: w, regex: '(?i)haiku', action: %s}]}"
WORD = "word: {kind: pattern, on_error: block, direction: input, options: " + RULES + "}"
PII = "pii: {kind: pii, on_error: block, direction: input}"
TEXTS = ("A haiku, please.", "Mail jo@example.org about it.", "Sum 2 and 3.", "Name a colour.")


def rails(*policies: str) -> str:
    return f"guardrails: {{preset: none, policies: {{{', '.join(policies)}}}}}\n"


def stage(folder: Path, old: str, new: str, texts: tuple[str, ...] = TEXTS) -> tuple[Stage, dict[str, float | None]]:
    """The stage and its figures, after a check that NEW's own gateway does the same."""
    one, two = configured(folder, "old", TWO + old), configured(folder, "new", TWO + new)
    before, after = (asked(side, chats(40, "small", texts)) for side in (one, two))
    plan = planned(one, two, before)
    (made,) = (one for one in plan.stages if one.name == "guardrails")
    really = [(x.state == "blocked", y.state == "blocked") for x, y in zip(before, after, strict=True)]
    if made.status == "evaluated" and not made.left_out:
        assert found(plan, "newly blocked").estimate == sum(y > x for x, y in really) / 40
        assert found(plan, "no longer blocked").estimate == sum(x > y for x, y in really) / 40
    return made, {figure.name: figure.estimate for figure in made.figures}


def test_a_new_policy(tmp_path: Path) -> None:
    made, figures = stage(tmp_path, rails(PII), rails(PII, WORD % "block"))
    assert figures["newly blocked"] == 0.25
    assert figures["no longer redacted"] == 0.0
    assert [kind.name for kind in made.kinds] == ["word: allow → block"]
    assert made.kinds[0].examples[0].text == "A haiku, please."
    assert any("redaction had left" in note for note in made.notes)


def test_a_policy_that_goes(tmp_path: Path) -> None:
    _, figures = stage(tmp_path, rails(PII, WORD % "block"), rails(PII))
    assert figures["no longer blocked"] == 0.25
    _, figures = stage(tmp_path, rails(PII, WORD % "redact"), rails(WORD % "redact"))
    assert figures["no longer redacted"] == 0.25


def test_those_that_were_not_asked_because_of_it_are_asked_now(tmp_path: Path) -> None:
    other = (WORD % "block").replace("word:", "rain:").replace("haiku", "rain")
    made, figures = stage(tmp_path, rails(WORD % "block", other), rails(other), ("A haiku about rain", "A haiku"))
    assert figures["no longer blocked"] == 0.5
    assert any("records hold of them what redaction had left" in note for note in made.notes)


def test_shadow_and_back(tmp_path: Path) -> None:
    shadow = (WORD % "block").replace("on_error: block,", "on_error: block, mode: shadow,")
    made, figures = stage(tmp_path, rails(shadow), rails(WORD % "block"))
    assert figures["newly blocked"] == 0.25
    assert made.kinds[0].name == "word: would_block → block"
    _, figures = stage(tmp_path, rails(WORD % "block"), rails(shadow))
    assert figures["no longer blocked"] == 0.25


def test_what_a_changed_policy_took_out_is_gone(tmp_path: Path) -> None:
    made, figures = stage(
        tmp_path, rails(PII), rails(PII.replace("on_error: block", "on_error: block, actions: {EMAIL: block}"))
    )
    assert made.left_out == {"a policy that differs had redacted it: what it took out is gone": 10}
    assert figures["newly blocked"] == 0.0


def test_answers_are_judged_too(tmp_path: Path) -> None:
    said = WORD.replace("direction: input", "direction: output").replace("haiku", "[a-z]") % "block"
    _, figures = stage(tmp_path, rails(), rails(said))
    assert figures["newly blocked"] == 1.0


def test_who_asks_somebody_else_is_not_evaluated(tmp_path: Path) -> None:
    asks = "mod: {kind: moderation, on_error: allow, options: {base_url: 'http://127.0.0.1:9/v1', model: x}}"
    one, two = configured(tmp_path, "old", TWO + rails()), configured(tmp_path, "new", TWO + rails(asks))
    records = asked(one, chats(4, "small"))
    (made,) = (one for one in planned(one, two, records).stages if one.name == "guardrails")
    assert made.status == "not evaluated"
    assert {figure.told for figure in made.figures} == {"not evaluated"}
    both = configured(tmp_path, "both", TWO + rails(asks, WORD % "block"))
    (made,) = (stage for stage in planned(one, both, records).stages if stage.name == "guardrails")
    assert made.status == "evaluated"
    assert "policy 'mod' asks somebody else" in made.notes[0]


def test_without_content_nothing_is_said(tmp_path: Path) -> None:
    one, two = configured(tmp_path, "old", TWO + rails()), configured(tmp_path, "new", TWO + rails(WORD % "block"))
    records = [structs.replace(record, request=None) for record in asked(one, chats(4, "small"))]
    (made,) = (stage for stage in planned(one, two, records).stages if stage.name == "guardrails")
    assert made.left_out == {"content is not in the record": 4}
    assert {figure.told for figure in made.figures} == {"not evaluated"}


def test_other_configurations_records_are_judged_by_old(tmp_path: Path) -> None:
    one, two = configured(tmp_path, "old", TWO + rails(WORD % "block")), configured(tmp_path, "new", TWO + rails())
    records = [structs.replace(record, policy="x") for record in asked(two, chats(8, "small"))]
    assert found(planned(one, two, records, any_policy=True), "no longer blocked").estimate == pytest.approx(0.25)
