"""What a run asks, in its order: each item of each variant, as often as it is repeated."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from llmctl.evals.answers import copy_key, request_key
from llmctl.evals.journal import Place
from llmctl.evals.prompts import Prompt, UnfitPrompt
from llmctl.evals.targets import Asked, Looked
from llmctl.model.json import JsonObject
from llmctl.scoring.base import Assertion, Sample
from llmctl.scoring.grade import known_of


class Posed(NamedTuple):
    """An item as it is asked. `messages`, `tools` and `assertions` are its own, where the dataset has them."""

    number: int
    sample: Sample
    messages: Sequence[JsonObject] = ()
    tools: Sequence[JsonObject] = ()
    assertions: Sequence[Assertion] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """A target asked with a prompt, or with the items' own messages where there is none."""

    name: str
    target: Asked | Looked
    prompt: Prompt | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Slot(NamedTuple):
    """One answer to come. `key` is empty where nothing is asked; `trouble` says why it cannot be asked."""

    variant: Variant
    item: Posed
    repeat: int
    payload: JsonObject
    key: str = ""
    trouble: str = ""

    @property
    def place(self) -> Place:
        """Where its result belongs."""
        return Place(self.variant.name, self.item.number, self.repeat)


class Plan(NamedTuple):
    """Items in the order in which they are asked, and what is asked of them."""

    items: Iterable[Posed]
    variants: Sequence[Variant]
    repeats: int
    seed: int

    def slots(self) -> Iterator[Slot]:
        """All of them. The same plan gives the same keys: who asks twice for the same gets keys that differ."""
        copies: Counter[bytes] = Counter()
        for item in self.items:
            for variant in self.variants:
                yield from self._of(item, variant, copies)

    def _of(self, item: Posed, variant: Variant, copies: Counter[bytes]) -> Iterator[Slot]:
        target = variant.target
        try:
            messages = _messages(variant, item)
        except UnfitPrompt as error:
            yield from (Slot(variant, item, repeat, {}, trouble=str(error)) for repeat in range(self.repeats))
            return
        if not isinstance(target, Asked):
            yield from (Slot(variant, item, repeat, {"messages": messages}) for repeat in range(self.repeats))
            return
        if not messages:
            why = "the item has no messages of its own, and the variant no prompt"
            yield from (Slot(variant, item, repeat, {}, trouble=why) for repeat in range(self.repeats))
            return
        payload = {**target.parameters, **variant.parameters, "messages": messages}
        if item.tools and "tools" not in payload:
            payload["tools"] = list(item.tools)
        for repeat in range(self.repeats):
            if target.seed:
                payload = {**payload, "seed": _seed(self.seed, item.sample.id, repeat)}
            request = request_key(target.identity, payload)
            yield Slot(variant, item, repeat, payload, copy_key(request, copies[request]))
            copies[request] += 1


def _messages(variant: Variant, item: Posed) -> list[JsonObject]:
    if variant.prompt is None:
        return list(item.messages)
    return variant.prompt.messages(known_of(item.sample))


def _seed(seed: int, item: str, repeat: int) -> int:
    """31 bits, the same for all variants: what is luck in sampling they share, as far as a provider heeds it."""
    told = blake2b(f"{seed}\0{item}\0{repeat}".encode(), digest_size=4).digest()
    return int.from_bytes(told) & 0x7FFFFFFF
