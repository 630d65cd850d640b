"""Any server that speaks OpenAI's moderation endpoint, `POST /moderations`."""

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from llmctl.embedding.base import sendable
from llmctl.guards.asked.http import Remote, RemoteOptions
from llmctl.guards.asked.windows import each, windows, worst
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Verdict
from llmctl.net.transport import Transport

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ModerationOptions(RemoteOptions):
    """Options of `moderation`. The preset changes nothing here: the endpoint's scores are its own."""

    base_url: str = Field("https://api.openai.com/v1", description="URL up to and with `/v1`.")
    model: str = Field("omni-moderation-latest", min_length=1, description="The moderation model.")
    thresholds: dict[str, Share] = Field(
        default_factory=dict,
        description="Category to the score from which it counts. Others count where the endpoint flags them.",
    )
    ignore: frozenset[str] = Field(frozenset(), description="Categories that never count.")
    action: Literal["warn", "block"] = Field("block", description="What a category that counts is worth.")
    max_chars: int = Field(8_000, ge=200, description="Longer texts are judged in windows of so many characters.")
    overlap: int = Field(200, ge=0, description="Characters that neighbouring windows share.")
    max_windows: int = Field(64, ge=1, le=1_000, description="A text that takes more windows is an error.")

    @model_validator(mode="after")
    def _fits(self) -> "ModerationOptions":
        if self.overlap * 2 > self.max_chars:
            raise ValueError("overlap is more than half of max_chars; lower it")
        if both := sorted(self.ignore & self.thresholds.keys()):
            raise ValueError(f"{', '.join(both)} is in both ignore and thresholds; take it out of one")
        return self


class Moderation:
    """Asks the endpoint and applies thresholds of one's own to its scores. The text leaves for that service."""

    Options: ClassVar[type[GuardOptions]] = ModerationOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})

    def __init__(self, options: ModerationOptions, transport: Transport) -> None:
        self._options = options
        self._remote = Remote("moderation", options.base_url, options, transport)

    async def judge(self, text: str, about: About) -> Verdict:
        """The worst window's verdict. A category with a threshold that the answer lacks is an error."""
        if not text.strip():
            return ALLOW
        given = self._options
        places = windows(len(text), given.max_chars, given.overlap, given.max_windows)
        return worst(await each(self._ask, [sendable(text[start:end]) for start, end in places]))

    def close(self) -> None:
        """Nothing to give back."""

    async def _ask(self, text: str) -> Verdict:
        answer = await self._remote.ask(b"/moderations", {"model": self._options.model, "input": text})
        results = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
            raise self._remote.nonsense("it must hold one result")
        return self._verdict(results[0])

    def _verdict(self, result: dict[str, Any]) -> Verdict:
        flagged, flags, scores = (result.get(key) for key in ("flagged", "categories", "category_scores"))
        if not isinstance(flagged, bool):
            raise self._remote.nonsense("`flagged` must be true or false")
        if not isinstance(flags, dict) or not all(flag is None or isinstance(flag, bool) for flag in flags.values()):
            raise self._remote.nonsense("`categories` must be an object of booleans")
        if not isinstance(scores, dict) or not all(score is None or _share(score) for score in scores.values()):
            raise self._remote.nonsense("`category_scores` must be an object of numbers from 0 to 1")
        given = self._options
        for name in given.thresholds:
            if scores.get(name) is None:
                raise self._remote.nonsense(f"it has no score for {name}, for which a threshold is set")
        hits = {name: scores[name] for name, least in given.thresholds.items() if scores[name] >= least}
        for name, flag in flags.items():
            if flag and name not in given.thresholds and name not in given.ignore:
                hits[name] = scores.get(name) or 0.0
        if flagged and not any(flags.values()):  # it says so without saying why
            hits["flagged"] = 1.0
        if not hits:
            seen = [score for name, score in scores.items() if score is not None and name not in given.ignore]
            return Verdict("allow", float(max(seen, default=0.0)))
        name = max(hits, key=lambda hit: hits[hit])
        return Verdict(given.action, float(hits[name]), f"moderation: {', '.join(sorted(hits))[:500]}", name[:100])


def _share(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1
