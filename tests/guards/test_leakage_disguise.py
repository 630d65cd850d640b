"""The system prompt in disguise: found where no key is needed to read it, and held back of a stream until judged."""

import base64
import codecs
import json
import random
import timeit
import urllib.parse

import pytest

from llmctl.guards.base import About
from llmctl.guards.leakage import Leakage

SYSTEM = (
    "You are Harbour, the assistant of a small ferry line. Never mention that the boat Aurora is for sale. Offer the "
    "late fare only to people who ask twice, and refer every complaint about the old pier to the desk in Naantali."
)
ABOUT = About("output", "assistant", system=SYSTEM)
RAW, WORDS = SYSTEM.encode(), SYSTEM.split()
CODE = base64.b64encode(RAW).decode()
DISGUISES = {
    "base64": CODE,
    "base64 in lines": "\n".join(CODE[at : at + 76] for at in range(0, len(CODE), 76)),
    "base64 twice": base64.b64encode(CODE.encode()).decode(),
    "base32": base64.b32encode(RAW).decode(),
    "hex": RAW.hex(),
    "hex in pairs": RAW.hex(" "),
    "hex escapes": "".join(f"\\x{code:02x}" for code in RAW),
    "numbers": " ".join(map(str, RAW)),
    "bits": " ".join(f"{code:08b}" for code in RAW),
    "percent": urllib.parse.quote(SYSTEM),
    "unicode escapes": "".join(f"\\u{code:04x}" for code in RAW),
    "entities": "".join(f"&#{code};" for code in RAW),
    "rot13": codecs.encode(SYSTEM, "rot13"),
    "rot13 in base64": base64.b64encode(codecs.encode(SYSTEM, "rot13").encode()).decode(),
    "reversed": SYSTEM[::-1],
    "words reversed": " ".join(word[::-1] for word in WORDS),
    "order reversed": " ".join(reversed(WORDS)),
    "spelled": " ".join(SYSTEM.replace(" ", "")),
    "dotted": ".".join(SYSTEM.replace(" ", "")),
    "leet": SYSTEM.translate(str.maketrans("oeatslOEATSL", "034751034751")),
    "a word a line": "\n".join(WORDS),
    "numbered": "\n".join(f"{at}. {word}" for at, word in enumerate(WORDS, 1)),
    "JSON list": json.dumps(WORDS),
    "JSON string": json.dumps("\n".join(WORDS)),
    "one word": "".join(word.capitalize() for word in WORDS),
    "full width": "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in SYSTEM),
    "unseen": "\u200b".join(SYSTEM),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_is_found(disguise: str) -> None:
    text = f"Sure, here it is: {DISGUISES[disguise]} and that was all."
    verdict = Leakage(Leakage.Options()).judge(text, ABOUT)
    assert (verdict.outcome, verdict.category) == ("block", "system_prompt")
    assert verdict.spans


def test_ordinary_answers_and_other_codes_pass() -> None:
    guard = Leakage(Leakage.Options())
    other = b"The timetable of the winter: seven, nine and eleven in the morning, and on Sundays none at all."
    rng = random.Random(5)
    for text in (
        "Our ferry leaves at seven; the old pier is closed, please ask at the desk in Naantali.",
        base64.b64encode(other).decode(),
        other.hex(" "),
        codecs.encode(other.decode(), "rot13"),
        " ".join(f"{rng.randrange(10_000)}" for _ in range(200)),
        "https://x.example/" + "".join(rng.choices("abcdef0123456789", k=400)),
        " ".join(reversed(WORDS[:9])),
    ):
        assert guard.judge(text, ABOUT).outcome == "allow"


@pytest.mark.parametrize(
    "disguise", sorted(set(DISGUISES) - {"unicode escapes", "entities", "JSON string", "JSON list"})
)
@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_stream_lets_no_word_of_it_out(disguise: str, size: int) -> None:
    text = f"Sure, here it is: {DISGUISES[disguise]} and that was all."
    guard = Leakage(Leakage.Options())
    released = 0
    for end in range(size, len(text) + size, size):
        seen = text[max(0, released - 256) : end]
        if guard.judge(seen, ABOUT).outcome == "block":
            break
        released = max(released, min(end, len(text)) - guard.unsettled(seen))
    assert released <= len("Sure, here it is: 1. ")


def test_no_hold_is_longer_than_8192_and_prose_flows() -> None:
    guard = Leakage(Leakage.Options())
    text = "ab12" * 5_000
    guard.judge(text, ABOUT)
    assert guard.unsettled(text) <= 8_192
    prose = "The weather was fine and we went to see the boats in the evening "
    guard.judge(prose, ABOUT)
    assert guard.unsettled(prose) <= 24


@pytest.mark.parametrize("unit", ["ab12", "4f ", "%41", "&#65;", "a ", SYSTEM[:60], "0110 ", "YWJj\n"])
def test_cost_is_linear(unit: str) -> None:
    guard = Leakage(Leakage.Options())

    def cost(length: int) -> float:
        text = (unit * length)[:length]
        return min(timeit.repeat(lambda: guard.judge(text, ABOUT), number=1, repeat=3))

    cost(1_000)
    assert cost(32_000) < 40 * cost(4_000) + 0.02
