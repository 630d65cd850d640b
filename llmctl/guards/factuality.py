"""Claims against a supplied knowledge base.

Lexical scoring cannot tell a refuted claim from a supported one (AUC about .6 on FoolMeTwice, written to be hard;
chance is .5): both use the words of the fact. So this guard never says "false". It says `unsupported`,
which means unknown to the knowledge base, and `mismatch` where a fact says nearly the same with another number, date or
unit: a candidate for contradiction, worth a look. To find refutations put an NLI or judge model behind it.
"""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from llmctl.errors import ConfigError
from llmctl.guards.base import About, Direction, GuardOptions, Span, Verdict
from llmctl.guards.support import Claim, Grounds, load

_SAME_FACT = 0.6  # share of the claim's words that a fact must have before their numbers are compared


class FactualityOptions(GuardOptions):
    """Options of `factuality`. Without facts of its own it takes the system prompt and the request's context."""

    facts: tuple[str, ...] = Field((), description="The knowledge base: one statement each.")
    path: str | None = Field(
        None, description="A UTF-8 file with one fact a line; blank lines and lines starting with # are skipped."
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="A claim with less support than this is unknown; default: the preset's."
    )
    on_mismatch: Literal["warn", "block"] = Field(
        "warn", description="What a number, date or unit that differs from the closest fact's leads to."
    )


class Factuality:
    """Warns of claims the knowledge base does not support; spans are those sentences."""

    Options: ClassVar[type[GuardOptions]] = FactualityOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"output"})
    lookbehind: ClassVar[int | None] = None
    cost_us: ClassVar[float] = 4500.0

    def __init__(self, options: FactualityOptions) -> None:
        self._model = load()
        self._options = options
        chosen = self._model.thresholds[options.preset]
        self._threshold = chosen if options.threshold is None else options.threshold
        self._facts = tuple(fact for fact in (*options.facts, *_read(options.path)) if fact.strip())
        self._grounds = Grounds(self._facts) if self._facts else None

    def judge(self, text: str, about: About) -> Verdict:
        """A mismatch outweighs what is merely unknown. The score is one minus the least support."""
        facts, grounds = self._facts, self._grounds
        if grounds is None:
            facts = tuple(passage for passage in (about.system, *about.context) if passage.strip())
            if not facts:
                return Verdict("allow", reason="unscanned: no facts supplied")
            grounds = Grounds(facts)
        claims = list(grounds.claims(text, self._model, about.question))
        if not claims:
            return Verdict("allow", reason="nothing claimed")
        spans, score = [], 0.0
        for claim in claims:
            score = max(score, 1.0 - claim.support)
            if self._differs(text, claim, facts):
                spans.append(Span(claim.start, claim.end, "mismatch"))
                score = max(score, 0.9)
            elif claim.support < self._threshold:
                spans.append(Span(claim.start, claim.end, "unsupported"))
        if not spans:
            return Verdict("allow", round(score, 6))
        differing = sum(span.category == "mismatch" for span in spans)
        reason = f"of {len(claims)} claims {differing} differ from a fact, {len(spans) - differing} are unknown"
        if differing:
            return Verdict(self._options.on_mismatch, round(score, 6), reason, "mismatch", tuple(spans))
        return Verdict("warn", round(score, 6), reason, "unsupported", tuple(spans))

    def unsettled(self, text: str) -> int:
        """All of it: an answer is judged as a whole."""
        return len(text)

    def _differs(self, text: str, claim: Claim, facts: tuple[str, ...]) -> bool:
        """Whether the closest fact speaks of the same with other numbers. A fact without numbers contradicts none."""
        fact = facts[claim.passage] if claim.passage >= 0 else ""
        if not any(letter.isdecimal() for letter in fact):
            return False
        near = Grounds((fact,)).claim(text[claim.start : claim.end], self._model)
        return near is not None and bool(near.missing_numbers) and near.coverage >= _SAME_FACT


def _read(path: str | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: facts of the factuality guard: cannot be read: {error}"]) from error
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
