"""What a judge model answered, read strictly: what is not an answer as agreed is a ValueError and no verdict."""

import math
import re
from typing import Any

from msgspec import Struct

from llmctl.guards.asked.judge_prompts import TAXONOMY
from llmctl.model.json import UNDECODABLE, decode


class Reading(Struct, frozen=True):
    """One answer. `score` is the probability of a violation where the judge gave one, else 0 or 1."""

    score: float
    categories: tuple[str, ...] = ()


def content_of(answer: object) -> tuple[str, object]:
    """The text of a chat completion's one choice, and its logprobs object, None where there is none."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise ValueError("it must be a chat completion with one choice")
    message = choices[0].get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str) or not content.strip():
        raise ValueError("its message has no text")
    return content.strip(), choices[0].get("logprobs")


def llama_guard(content: str, logprobs: object) -> Reading:
    """`safe`, or `unsafe` and the codes of its categories; codes that Llama Guard does not have are left out."""
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    word = lines[0].lower()
    if word not in ("safe", "unsafe") or len(lines) > 2 or (word == "safe" and len(lines) > 1):
        raise ValueError("it must be `safe`, or `unsafe` and a line of categories")
    codes = [code.strip().upper() for code in lines[1].split(",")] if len(lines) > 1 else []
    known = tuple(dict.fromkeys(code for code in codes if code in TAXONOMY))
    # A code that we do not know may be any: then no category can be relied on to be off the operator's list.
    return Reading(_scored(logprobs, "unsafe", "safe", word), known if len(known) == len(set(codes)) else ())


def shieldgemma(content: str, logprobs: object) -> Reading:
    """`Yes` or `No`, and then perhaps an explanation."""
    match = re.match(r"[\W_]*(yes|no)\b", content, re.IGNORECASE)
    if match is None:
        raise ValueError("it must start with Yes or No")
    return Reading(_scored(logprobs, "yes", "no", match[1].lower()))


def rubric(content: str, categories: tuple[str, ...]) -> Reading:
    """The JSON object that was demanded, alone or in one code fence. The worse of `violation` and `score` counts."""
    match = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", content, re.DOTALL)
    try:
        found = decode(match[1] if match else content)
    except UNDECODABLE:
        raise ValueError("it is not the JSON object that was demanded") from None
    if not isinstance(found, dict):
        raise ValueError("it is not the JSON object that was demanded")
    violation, score, category = (found.get(key) for key in ("violation", "score", "category"))
    if not isinstance(violation, bool):
        raise ValueError("`violation` must be true or false")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise ValueError("`score` must be a number from 0 to 1")
    if category not in categories and (violation or category not in (None, "", "none")):
        raise ValueError("`category` must be one of the configured categories")
    named = (category,) if isinstance(category, str) and category in categories else ()
    return Reading(max(float(score), 0.5) if violation else float(score), named)


def _scored(logprobs: object, bad: str, good: str, said: str) -> float:
    """The probability of `bad` against `good` at the first token that is not blank, or what was said as 0 or 1."""
    if logprobs is None or (isinstance(logprobs, dict) and logprobs.get("content") is None):
        return float(said == bad)
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list):
        raise ValueError("its logprobs must be an object with a list, `content`")
    for token in tokens:
        if _word(token):
            break
    else:
        return float(said == bad)
    listed = token.get("top_logprobs") or []
    if not isinstance(listed, list):
        raise ValueError("its top_logprobs must be a list")
    chances = {_raw(choice): _chance(choice) for choice in (*listed, token)}

    def sum_of(whole: str) -> float:
        return sum(chance for text, chance in chances.items() if _plain(text) and whole.startswith(_plain(text)))

    of_bad, of_good = sum_of(bad), sum_of(good)
    if of_bad + of_good <= 0:
        return float(said == bad)
    score = of_bad / (of_bad + of_good)
    return max(score, 0.5) if said == bad else score


def _raw(token: Any) -> str:
    text = token.get("token") if isinstance(token, dict) else None
    if not isinstance(text, str):
        raise ValueError("a token of its logprobs has no text")
    return text


def _plain(text: str) -> str:
    return text.strip(" \t\r\n\u2581\u0120\u010a*\"'").lower()


def _word(token: Any) -> str:
    return _plain(_raw(token))


def _chance(token: Any) -> float:
    logprob = token.get("logprob")
    if isinstance(logprob, bool) or not isinstance(logprob, int | float) or math.isnan(logprob) or logprob > 1e-3:
        raise ValueError("a token of its logprobs has no logprob")
    return math.exp(min(0.0, logprob))
