"""Scores of live answers as the configuration asks for them, with judges that are asked through the live gateway."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from llmctl.clock import Clock
from llmctl.config.finding import KeyPath
from llmctl.config.load import Loaded
from llmctl.errors import ConfigError
from llmctl.gateway.reload import Live
from llmctl.model import trace
from llmctl.model.exchange import Exchange, Principal
from llmctl.model.json import JsonObject
from llmctl.model.record import Decision
from llmctl.scoring.base import Assertion, Judged, Tools, Unscorable

if TYPE_CHECKING:
    from llmctl.scoring.online import OnlineScores

JUDGE_WITHIN = 60.0
EVALS = Principal("evals", "evals")
JUDGES = frozenset({"llm-rubric", "pairwise", "factuality"})


class Asking:
    """Asks a model of the live gateway, from the scorers' thread; what it costs is in records of tenant `evals`."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._live: Live | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def through(self, live: Live) -> None:
        """The gateway to ask. Called on the loop that serves."""
        self._live, self._loop = live, asyncio.get_running_loop()

    async def ask(self, model: str, messages: Sequence[JsonObject], parameters: Mapping[str, Any]) -> Judged:
        """The judge's answer. Raises Unscorable where none comes."""
        if self._loop is None:
            raise Unscorable("the gateway does not serve yet")
        asked = self._ask({**parameters, "model": model, "messages": list(messages)})
        judged = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, self._loop))
        if judged is None:
            raise Unscorable(f"{model} gave no verdict")
        return judged

    async def _ask(self, payload: JsonObject) -> Judged | None:
        assert self._live is not None
        model, now, wall = payload["model"], self._clock.monotonic(), self._clock.wall()
        ident = f"req_{int(wall * 1000):011x}{self._random.getrandbits(64):016x}"
        exchange = Exchange(
            ident,
            "chat",
            "openai",
            payload,
            None,
            trace.start(None, self._random),
            now,
            wall,
            now + JUDGE_WITHIN,
            requested_model=model,
            principal=EVALS,
            decision=Decision(model, "judge", "scores a live answer"),
            cleared=True,
            shadow_of=ident,
        )
        answer = await self._live.gateway.ask_beside(exchange)
        if answer is None or not answer.body.choices or (message := answer.body.choices[0].message) is None:
            return None
        return Judged(str(message.content or ""), exchange.cost)


def online_scores(
    loaded: Loaded, asking: Asking, random: Random, clock: Clock, warn: Callable[[str], None]
) -> "OnlineScores | None":
    """The sink that scores; None where the configuration has no `evals`. Raises ConfigError with every finding."""
    if not loaded.config.evals:
        return None
    from llmctl.scoring.grade import Grader, Wrong
    from llmctl.scoring.online import OnlineScores
    from llmctl.scoring.vectors import Vectors

    tools = Tools(loaded.path.parent, random, asking.ask, Vectors().embed)
    graders, trouble = {}, []
    for name, config in loaded.config.evals.items():
        given = [_judged(one, config.judge) for one in config.scorers]
        judges = {config.judge} | {str(one.get("judge", "judge")) for one in given if _asks(one)}
        unknown = sorted(judges - {None, *loaded.config.models}, key=str)
        trouble += [loaded.finding(("evals", name, "judge"), f"no model {judge!r} is configured") for judge in unknown]
        try:
            listed = [Assertion.model_validate(one) for one in given]
            graders[name] = (config, Grader(listed, tools))
        except Wrong as error:
            path: KeyPath = ("evals", name, "scorers", error.index, *([error.key] if error.key else []))
            trouble.append(loaded.finding(path, error.message))
        except ValidationError as error:
            trouble.append(loaded.finding(("evals", name, "scorers"), error.errors()[0]["msg"]))
    if not (loaded.config.records.enabled and loaded.config.records.content == "redacted"):
        trouble.append(loaded.finding(("evals",), "scorers need what was said: records.content: redacted keeps it"))
    if trouble:
        raise ConfigError(trouble, loaded.sources)
    return OnlineScores(graders, random, clock, warn)


def _asks(given: Mapping[str, Any]) -> bool:
    return str(given.get("kind", "")).removeprefix("not-") in JUDGES


def _judged(given: Mapping[str, Any], judge: str | None) -> dict[str, Any]:
    """With the eval's judge where the scorer names none."""
    return {"judge": judge, **given} if judge is not None and _asks(given) else dict(given)
