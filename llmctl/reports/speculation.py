"""What guessing from the text so far would have done on recorded exchanges: acceptance, and tokens a step.

The guess is llama.cpp's `ngram-simple` and prompt lookup (Saxena 2023): where the last `min_match` tokens were there
before, what followed them most recently is guessed. Leviathan, Kalman and Matias (2023, arXiv 2211.17192) give the
tokens of a step with K guesses of acceptance a as (1 - a^(K+1)) / (1 - a), which takes each guess to be accepted alike;
counting needs no such thing, so both are told.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmctl.model.record import Record

WORTH = 1.3  # tokens a step, below which speculation is not worth its work
DRAWS = 2000
DEPTH = 12  # what clients sent may be nested without end
FEWEST = 5  # records; of fewer a resampled interval says nothing

Encode = Callable[[str], Sequence[int]]
Verdict = Literal["enable", "unclear", "leave off"]
Interval = tuple[float, float] | None


class Pair(NamedTuple):
    """One recorded exchange as tokens; `route` is the name that was asked for, `model` the one that answered."""

    route: str
    model: str
    prompt: Sequence[int]
    output: Sequence[int]


class Counts(NamedTuple):
    """What guessing did. `judged` are guesses up to and with the first wrong one; those after it were for nothing."""

    tokens: int = 0
    steps: int = 0
    drafting: int = 0
    drafted: int = 0
    judged: int = 0
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of `n` records: `coverage` is the share of steps with a guess, `acceptance` of judged guesses that were right.

    `used` is the share of all guesses that were. `tokens_per_step` is counted, `by_formula` from acceptance and
    coverage. Intervals are of 95%, by record; None for few.
    """

    route: str
    model: str
    n: int
    acceptance: float | None
    acceptance_interval: Interval
    coverage: float
    tokens_per_step: float
    tokens_per_step_interval: Interval
    by_formula: float
    used: float | None

    @property
    def verdict(self) -> Verdict:
        """`enable` only where the whole interval is worth it."""
        if self.tokens_per_step_interval is not None and self.tokens_per_step_interval[0] >= WORTH:
            return "enable"
        return "unclear" if self.tokens_per_step >= WORTH else "leave off"


def expected(acceptance: float, max_tokens: int) -> float:
    """Tokens of a step with `max_tokens` guesses, each right with probability `acceptance` if those before it were."""
    if acceptance >= 1:
        return max_tokens + 1.0
    return float((1 - acceptance ** (max_tokens + 1)) / (1 - acceptance))


def simulate(prompt: Sequence[int], output: Sequence[int], max_tokens: int, min_match: int) -> Counts:
    """Guess through one answer. Its first token comes with the prompt, and is no step."""
    history = [*prompt, *output[:1]]
    seen: dict[tuple[int, ...], int] = {}  # where what followed an n-gram begins, most recently
    noted = min_match
    tokens = steps = drafting = drafted = judged = accepted = 0
    at = 1
    while at < len(output):
        # The last n-gram itself is not noted yet: only what stands before it can be found.
        for end in range(noted, len(history)):
            seen[tuple(history[end - min_match : end])] = end
        noted = max(noted, len(history))
        start = seen.get(tuple(history[-min_match:])) if len(history) >= min_match else None
        guess = history[start : start + max_tokens] if start is not None else []
        right = 0
        if len(guess) >= min_match:  # shorter ones are not worth it to llama.cpp
            rest = output[at : at + len(guess)]
            right = next((i for i, (one, two) in enumerate(zip(guess, rest, strict=False)) if one != two), len(rest))
            drafting += 1
            drafted += len(guess)
            judged += min(right + 1, len(guess), len(rest))
            accepted += right
        made = min(right + 1, len(output) - at)
        history += output[at : at + made]
        at += made
        tokens += made
        steps += 1
    return Counts(tokens, steps, drafting, drafted, judged, accepted)


def pairs(records: Iterable[Record], encode: Encode, left_out: dict[str, int]) -> Iterator[Pair]:
    """The records that hold a prompt and a model's answer; others are counted in `left_out` by reason."""
    for record in records:
        why, prompt, output = _pair(record)
        if not why:
            coded = encode(output)
            if len(coded) > 1:
                yield Pair(record.requested_model, record.served_model or record.model, encode(prompt), coded)
                continue
            why = "answers of fewer than two tokens"
        left_out[why] = left_out.get(why, 0) + 1


def _pair(record: Record) -> tuple[str, str, str]:
    """Why not, else prompt and answer."""
    if record.operation == "embedding" or record.state != "ok" or record.shadow_of:
        return "embeddings, failures and copies", "", ""
    if not record.attempts:
        return "answered without a model", "", ""
    asked, answered = record.request, record.response
    if not isinstance(asked, dict) or not isinstance(answered, dict) or "omitted_bytes" in {*asked, *answered}:
        return "without their content", "", ""
    prompt = "\n".join(_texts([asked.get(name) for name in ("system", "instructions", "messages", "input", "prompt")]))
    choices = answered.get("choices")
    output = "".join(_texts(choices[:1] if isinstance(choices, list) else answered.get("content")))
    return ("", prompt, output) if output else ("without text in the answer", "", "")


def _texts(value: Any, depth: int = DEPTH) -> Iterator[str]:
    """The texts in messages, parts or choices."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth:
        for each in value:
            yield from _texts(each, depth - 1)
    elif isinstance(value, dict) and depth:
        for name in (
            "reasoning_content",
            "content",
            "text",
            "message",
            "tool_calls",
            "function",
            "arguments",
            "output",
        ):
            if name in value:
                yield from _texts(value[name], depth - 1)


def predict(found: Iterable[Pair], max_tokens: int, min_match: int, *, seed: int = 0) -> list[Prediction]:
    """A prediction for each route and model, those with most records first."""
    groups: dict[tuple[str, str], list[Counts]] = {}
    for pair in found:
        counts = simulate(pair.prompt, pair.output, max_tokens, min_match)
        groups.setdefault((pair.route, pair.model), []).append(counts)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [_prediction(names, counts, max_tokens, seed) for names, counts in ordered]


def _prediction(names: tuple[str, str], counts: Sequence[Counts], max_tokens: int, seed: int) -> Prediction:
    rows = np.array(counts, dtype=np.float64)
    tokens, steps, drafting, drafted, judged, accepted = rows.sum(0)
    acceptance = float(accepted / judged) if judged else None
    coverage = float(drafting / steps)
    by_formula = 1 + coverage * (expected(acceptance or 0.0, max_tokens) - 1)
    columns = Counts._fields.index
    return Prediction(
        *names,
        n=len(counts),
        acceptance=acceptance,
        acceptance_interval=ratio_interval(rows[:, columns("accepted")], rows[:, columns("judged")], seed),
        coverage=coverage,
        tokens_per_step=float(tokens / steps),
        tokens_per_step_interval=ratio_interval(rows[:, columns("tokens")], rows[:, columns("steps")], seed),
        by_formula=by_formula,
        used=float(accepted / drafted) if drafted else None,
    )


def ratio_interval(above: NDArray[np.float64], below: NDArray[np.float64], seed: int = 0) -> Interval:
    """A 95% percentile interval of sum over sum (n,), (n,), by drawing records with replacement; None for few."""
    if len(above) < FEWEST or not below.sum():
        return None
    random = np.random.default_rng(seed)
    ratios = []
    for _ in range(DRAWS):
        chosen = random.integers(len(above), size=len(above))
        if whole := below[chosen].sum():
            ratios.append(above[chosen].sum() / whole)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(low), float(high)
