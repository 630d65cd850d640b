"""What compression would have left of recorded prompts."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from llmctl.clock import Clock
from llmctl.config.load import Loaded
from llmctl.gateway.odds import models_of
from llmctl.gateway.recompress import Compressing
from llmctl.plan.report import Example, Figure, Stage, figure, kinds_of, without
from llmctl.plan.routing import columns
from llmctl.plan.shares import share
from llmctl.plan.traffic import NO_CONTENT, Clusters, Seen
from llmctl.statistics.paired import paired_difference

SHOWN = 3
CHANGED, TOKENS = "prompt differs", "prompt tokens"
COMPRESSED = "OLD had compressed it: what stood there before is not in the record"


class CompressSeen:
    """Looks at one request after the other. To be closed."""

    def __init__(self, old: Loaded, new: Loaded, clock: Clock) -> None:
        """Raises ConfigError."""
        self._new = Compressing(new, clock)
        self._off = not (new.config.compress or any(route.compress for route in new.config.routes.values()))
        self.left_out: Counter[str] = Counter()
        self._more, self._prompt = array("d"), array("d")
        self._clusters = Clusters()
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Example]] = defaultdict(list)

    def see(self, seen: Seen) -> None:
        """One request."""
        record = seen.record
        if record.decision is None or record.operation != "chat":
            self.left_out["no chat that was sent to a model"] += 1
            return
        if seen.payload is None:
            self.left_out[NO_CONTENT] += 1
            return
        before = record.compression
        if before is not None and not self._off:
            self.left_out[COMPRESSED] += 1
            return
        saved = before.before - before.after if before is not None else 0
        payload = seen.payload if seen.payload["model"] == record.requested_model else {
            **seen.payload, "model": record.requested_model}  # fmt: skip
        found = self._new.tokens(payload, "chat", models_of(record.decision.model)[-1])
        more = saved - (found[0] - found[1])
        self._more.append(more)
        self._prompt.append(record.usage.prompt)
        self._clusters.add(seen)
        if more:
            kind = "prompt shorter" if more < 0 else "prompt longer"
            self._counts[kind] += 1
            if len(self._examples[kind]) < SHOWN:
                self._examples[kind].append(seen.example(f"{more:+,} tokens"))

    def stage(self) -> Stage:
        """The figures."""
        requests = len(self._more)
        if not requests:
            return without("compress", [(CHANGED, "share"), (TOKENS, "tokens")], self.left_out)
        _, groups = self._clusters.settled()
        more = columns(self._more)
        figures = [share(CHANGED, (more != 0).astype(float), groups), _tokens(more, columns(self._prompt), groups)]
        kinds = kinds_of(((kind, float(n), self._examples[kind]) for kind, n in self._counts.items()), requests)
        notes = ["tokens are those of the texts that are compressed, by estimate, at recorded choices of models"]
        if self._new.troubles:
            notes.append("some requests could not be compressed and count as they were")
        return Stage("compress", "evaluated", "", requests, figures, kinds, dict(self.left_out), notes)

    def close(self) -> None:
        """Let go of what it holds."""
        self._new.close()


def _tokens(more: np.ndarray, prompt: np.ndarray, groups: Sequence[int] | None) -> Figure:
    base = float(prompt.mean())
    if len(more) < 2 or not np.ptp(more) or (groups is not None and len(set(groups)) < 2):
        mean = float(more.mean())
        return Figure(TOKENS, "tokens", "exact", mean, n=len(more), requests=len(more), base=base, method="all alike")
    found = paired_difference(more, np.zeros(len(more)), groups)
    return figure(TOKENS, "tokens", found, len(more), told="exact", base=base)
