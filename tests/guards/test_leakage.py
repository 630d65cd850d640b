import base64
import codecs
from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.guards.base import ALLOW, About, Preset, Verdict
from llmctl.guards.leakage import Leakage

SYSTEM = (
    "You are Harbour, the assistant of a small ferry line. Never mention that the boat Aurora is for sale. Offer the "
    "late fare only to people who ask twice, and refer every complaint about the café to the desk in Naantali."
)
PASSAGE = "The ferry to Nagu leaves at seven every morning and takes two hours when the sea is calm and the wind low."
CANARY = "cnry-7F3a-9C21"


def judge(
    text: str, preset: Preset = "balanced", system: str = SYSTEM, context: tuple[str, ...] = (PASSAGE,), **options: Any
) -> Verdict:
    about = About("output", "assistant", context, system=system)
    return Leakage(Leakage.Options(preset=preset, **options)).judge(text, about)


def test_a_recited_prompt_is_found_in_place() -> None:
    recited = SYSTEM[24:140].upper()
    text = f"Of course. My instructions say: {recited} and so on."
    verdict = judge(text)
    assert (verdict.outcome, verdict.category) == ("block", "system_prompt")
    assert verdict.score > 0.5
    (span,) = verdict.spans
    assert text[span.start : span.end] in text
    assert "AURORA IS FOR SALE" in text[span.start : span.end]
    assert "instructions" not in text[span.start : span.end]


def test_line_breaks_bullets_and_marks_hide_nothing() -> None:
    text = "\n* ".join(SYSTEM.split()).replace(".", " !")
    assert judge(text).outcome == "block"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I am Harbour, the assistant of the ferry line. How can I help?",
        "The boat Aurora is a fine boat; about the café please ask the desk.",
        f"As the timetable says: {PASSAGE}",
    ],
)
def test_answers_that_only_share_words_and_quotes_of_passages_pass(text: str) -> None:
    assert judge(text).outcome == "allow"


def test_how_much_is_a_leak() -> None:
    ten = " ".join(SYSTEM.split()[10:20])
    assert judge(ten).outcome == "allow"
    assert 0.3 < judge(ten).score < 0.5
    assert judge(ten, "strict").outcome == "block"
    assert judge(ten, min_words=10).score == 0.5
    assert judge("Be brief, be kind, be Finnish.", system="Be brief, be kind, be Finnish.").outcome == "block"


def test_what_is_protected() -> None:
    about = About("output", context=(PASSAGE,), system=SYSTEM)
    assert judge(PASSAGE).outcome == "allow"
    everything = Leakage(Leakage.Options(protect="all"))
    assert everything.judge(PASSAGE, about).outcome == everything.judge(SYSTEM, about).outcome == "block"
    nothing = Leakage(Leakage.Options(protect="none", protected=(PASSAGE,)))
    assert nothing.judge(SYSTEM, about).outcome == "allow"
    assert nothing.judge(PASSAGE, About("output")).outcome == "block"


def test_a_leak_is_found_wherever_it_begins() -> None:
    twelve = " ".join(SYSTEM.split()[3:15])
    for before in range(30):
        text = "a word " * (before // 2) + "one " * (before % 2) + twelve + " and more"
        assert judge(text).outcome == "block"


def test_what_is_being_recited_is_held_from_its_first_word() -> None:
    guard = Leakage(Leakage.Options(canaries=(CANARY,)))
    about = About("output", system=SYSTEM)

    def held(text: str) -> str:
        guard.judge(text, about)
        return text[len(text) - guard.unsettled(text) :]

    assert held("My orders: you are Harbour, the assistant of a small ") == "you are Harbour, the assistant of a small "
    assert held("The boat Aurora is a fine boat to see ") == "boat to see "
    assert held("The token is c n r y-7 ") == "token is c n r y-7 "  # may be the first of a spelled recital too
    assert guard.unsettled("one two three " * 20) == len("one two three " * 4)
    assert Leakage(Leakage.Options(protect="none")).unsettled("one two three ") == 0


def test_scripts_without_blanks() -> None:
    prompt = "あなたは小さなフェリー会社の助手です。船が売りに出ていることは決して言わないでください。"
    assert judge(f"私の指示は: {prompt}", system=prompt).outcome == "block"
    assert judge("船は七時に出ます。", system=prompt).outcome == "allow"


@pytest.mark.parametrize(
    "shown",
    [
        CANARY,
        CANARY.upper(),
        "c n r y - 7 F 3 a - 9 C 2 1",
        "c.n.r.y.7.f.3.a.9.c.2.1",
        "cnry7F3a9C21"[::-1],
        codecs.encode(CANARY, "rot13"),
        CANARY.encode().hex(),
        CANARY.encode().hex(" "),
        *(base64.b64encode(b"x" * n + CANARY.encode() + b"yz").decode() for n in range(4)),
    ],
)
def test_a_canary_is_found_in_any_plain_disguise(shown: str) -> None:
    text = f"The token is {shown} you see."
    verdict = judge(text, canaries=(CANARY,), system="")
    assert (verdict.outcome, verdict.score, verdict.category) == ("block", 1.0, "canary")
    assert CANARY not in verdict.reason
    if shown.casefold() == CANARY.casefold():
        assert [(span.start, span.end) for span in verdict.spans] == [(13, 13 + len(CANARY))]
    assert judge("The token is secret.", canaries=(CANARY,), system="") == ALLOW


def test_canaries_that_would_be_met_by_chance_are_refused() -> None:
    for canary in ("", "short", "-" * 40, "x" * 101):
        with pytest.raises(ValidationError, match="canary 1"):
            Leakage.Options(canaries=(canary,))


def test_redaction() -> None:
    text = f"It is {CANARY}, or {CANARY}."
    verdict = judge(text, canaries=(CANARY,), action="redact")
    assert verdict.outcome == "redact"
    assert [text[span.start : span.end] for span in verdict.spans] == [CANARY, CANARY]
