"""Models that scorers may ask. A judgement that was paid for is kept as answers are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from llmctl.evals.answers import Answers, Kept, copy_key, request_key
from llmctl.evals.asking import Patience, ask
from llmctl.evals.journal import Place
from llmctl.evals.targets import Asked
from llmctl.model.json import JsonObject
from llmctl.model.usage import Cost
from llmctl.scoring.base import Judged, Unscorable

FREE = Cost(0.0, "exact")


class _Bench(NamedTuple):
    """What is being judged: its place, and how often each request was made for it."""

    place: Place
    copies: Counter[bytes]


class Judges:
    """Targets of the suite, asked by scorers. What is asked twice for one answer is answered twice."""

    def __init__(self, targets: Mapping[str, Asked], answers: Answers, patience: Patience, *, cache: bool) -> None:
        self._targets = targets
        self._answers = answers
        self._patience = patience
        self._cache = cache
        self._judging: ContextVar[_Bench] = ContextVar("judging")
        self.run = ""
        self.used = False

    def judging(self, place: Place) -> None:
        """What this task judges next."""
        self._judging.set(_Bench(place, Counter()))

    async def ask(self, name: str, messages: Sequence[JsonObject], parameters: Mapping[str, Any]) -> Judged:
        """The target of that name. Raises Unscorable."""
        target = self._targets.get(name)
        if target is None:
            known = ", ".join(self._targets) or "none that can be asked"
            raise Unscorable(f"the suite has no target {name!r} for judges to ask; it has {known}")
        self.used = True
        bench = self._judging.get()
        payload = {**target.parameters, **parameters, "messages": list(messages)}
        request = request_key(f"{bench.place}", payload)
        key = copy_key(request, bench.copies[request])
        bench.copies[request] += 1
        kept = self._answers.get(target.identity, key)
        if kept is not None and (kept.run == self.run or self._cache) and not kept.answer.error:
            return Judged(kept.answer.output, kept.answer.cost if kept.run == self.run else FREE)
        found = await ask(target, payload, {}, self._patience)
        if found.error:
            raise Unscorable(f"the judge {name} does not answer: {found.error}: {found.detail}", found.cost)
        self._answers.put(target.identity, Kept(key, self.run, found))
        return Judged(found.output, found.cost)
