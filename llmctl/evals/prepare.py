"""From a checked suite to what can be run: items read, targets made, and the digest that says what decides results."""

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from llmctl import __version__
from llmctl.clock import Clock
from llmctl.config.finding import KeyPath
from llmctl.config.secrets import Environment, masked
from llmctl.errors import ConfigError, UsageError
from llmctl.evals.load import Suite
from llmctl.evals.outcome import Grading
from llmctl.evals.prompts import UnfitPrompt
from llmctl.evals.slots import Plan, Posed, Variant
from llmctl.evals.targets import Asked, Looked, make_target
from llmctl.scoring.base import Assertion, Tools
from llmctl.scoring.grade import NOT, Grader, Wrong, known_of
from llmctl.scoring.result import Run
from llmctl.scoring.table import find

DECIDES = ("prompts", "scorers", "repeats", "seed", "threshold")
"""Keys of a suite that decide results, beside its dataset, targets and variants."""
_CANONICAL = msgspec.json.Encoder(order="deterministic", enc_hook=str).encode


class Choice(NamedTuple):
    """What of a suite is run: these variants (all if empty), and so many items (all if None)."""

    variants: Sequence[str] = ()
    limit: int | None = None


EVERYTHING = Choice()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A suite that can be run. `targets` are those that are asked: by the chosen variants, or by judges."""

    suite: Suite
    items: Sequence[Posed]
    variants: Sequence[Variant]
    targets: Mapping[str, Asked | Looked] = field(repr=False)
    digest: str

    @property
    def total(self) -> int:
        """Results there will be."""
        return len(self.items) * len(self.variants) * self.suite.config.repeats

    def plan(self, items: Sequence[Posed] | None = None) -> Plan:
        """In the dataset's order, or in another one of the same items."""
        config = self.suite.config
        return Plan(self.items if items is None else items, self.variants, config.repeats, config.seed)

    def run(self, started: float) -> Run:
        """What its results begin with."""
        config = self.suite.config
        names = [variant.name for variant in self.variants]
        return Run(config.name, self.digest, names, len(self.items), config.repeats, config.seed, started, __version__)

    def grader(self, tools: Tools) -> Grading:
        """The suite's scorers, and an item's own beside them. Raises ConfigError for the first that is wrong."""
        scorers = self.suite.config.scorers
        try:
            shared = Grader(scorers, tools)
        except Wrong as error:
            at: KeyPath = ("scorers", error.index, *(error.key.split(".") if error.key else ()))
            raise ConfigError([self.suite.finding(at, error.message)]) from None
        own = {}
        for item in self.items:
            try:
                if item.assertions:
                    own[item.number] = Grader([*scorers, *item.assertions], tools)
            except Wrong as error:
                which = f"item {item.sample.id!r}, scorer {error.index - len(scorers)}: {error.message}"
                raise ConfigError([self.suite.finding(("dataset",), which)]) from None
        self._judges_are_there()
        return lambda item: own.get(item.number, shared)

    def _judges_are_there(self) -> None:
        """Found out before answers are paid for that nobody could judge. Raises ConfigError."""
        asked = [name for name, target in self.targets.items() if isinstance(target, Asked)]
        for at, name in judges(self.suite, self.items):
            if name not in asked:
                known = ", ".join(asked) or "none that can be asked"
                raise ConfigError(
                    [self.suite.finding(at, f"the suite has no target {name!r} to judge; it has {known}")]
                )


def judges(suite: Suite, items: Sequence[Posed]) -> list[tuple[KeyPath, str]]:
    """The targets that scorers ask, by where they are listed."""
    listed: list[tuple[KeyPath, Assertion]] = [(("scorers", at), one) for at, one in enumerate(suite.config.scorers)]
    listed += [(("dataset",), one) for item in items for one in item.assertions]
    found: dict[tuple[KeyPath, str], None] = {}
    for at, one in listed:
        with suppress(ValueError):  # no such scorer: told when it is made
            field = find(one.kind.removeprefix(NOT)).Options.model_fields.get("judge")
            if field is not None:
                found[at, str((one.model_extra or {}).get("judge", field.default))] = None
    return list(found)


def prepare(
    suite: Suite, items: Sequence[Posed], env: Environment, clock: Clock, random: Random, choice: Choice = EVERYTHING
) -> Prepared:
    """Make the chosen variants, and what they need. Raises ConfigError, UsageError."""
    names = list(dict.fromkeys(choice.variants)) or list(suite.variants)
    for name in names:
        if name not in suite.variants:
            raise UsageError(f"{suite.path} has no variant {name!r}; it has {', '.join(suite.variants)}")
    if not items:
        raise UsageError(f"{suite.path}: the dataset has no items; what is not asked says nothing")
    targets = _targets(suite, names, {name for _, name in judges(suite, items)}, (env, clock, random))
    variants = [_variant(suite, name, targets) for name in names]
    judged = suite.config.scorers or any(item.assertions for item in items)
    if not judged and any(isinstance(one.target, Asked) for one in variants):
        raise ConfigError([suite.finding(("scorers",), "give one at least: what makes an answer good")])
    _fits(suite, items[0], variants)
    items = items if choice.limit is None else items[: choice.limit]
    asked = {name for _, name in judges(suite, items)}
    told = _digest(suite, items, variants, {name: targets[name] for name in sorted(asked & targets.keys())})
    return Prepared(suite, items, variants, targets, told)


def _targets(
    suite: Suite, names: Sequence[str], asked: Set[str], around: tuple[Environment, Clock, Random]
) -> dict[str, Asked | Looked]:
    """Those of the variants, and those that scorers ask."""
    needed = {suite.variants[name].target for name in names} | asked
    return {name: _made(suite, name, options, around) for name, options in suite.targets.items() if name in needed}


def _made(suite: Suite, name: str, options: Any, around: tuple[Environment, Clock, Random]) -> Asked | Looked:
    try:
        return make_target(options, suite.folder, *around)
    except ConfigError as error:
        whole = any(":" in line.split(" ", 1)[0] for line in error.findings)
        if whole:
            raise
        raise ConfigError([suite.finding(("targets", name), line) for line in error.findings]) from None
    except UsageError as error:
        raise ConfigError([suite.finding(("targets", name), error.message)]) from None


def _variant(suite: Suite, name: str, targets: Mapping[str, Asked | Looked]) -> Variant:
    given = suite.variants[name]
    prompt = suite.prompts[given.prompt] if given.prompt is not None else None
    return Variant(name, targets[given.target], prompt, given.parameters)


def _fits(suite: Suite, first: Posed, variants: Sequence[Variant]) -> None:
    """A prompt that does not even fit the first item is a mistake, and costs nothing to find."""
    for variant in variants:
        prompt = suite.variants[variant.name].prompt
        if variant.prompt is None or prompt is None:
            continue
        try:
            variant.prompt.messages(known_of(first.sample))
        except UnfitPrompt as error:
            there = ", ".join(list(known_of(first.sample))[:12])
            message = f"does not fit the item {first.sample.id!r}: {error}; it has {there}"
            raise ConfigError([suite.finding(("prompts", prompt), message)]) from None


def _digest(
    suite: Suite, items: Sequence[Posed], variants: Sequence[Variant], judging: Mapping[str, Asked | Looked]
) -> str:
    """blake2b-128 hex of all that decides results."""
    told = blake2b(digest_size=16)
    tree = suite.resolved.tree
    told.update(_CANONICAL(masked({key: tree.get(key) for key in DECIDES})))
    for variant in variants:
        prompt = variant.prompt.raw if variant.prompt is not None else None
        asked = variant.target.parameters if isinstance(variant.target, Asked) else None
        parameters = dict(variant.parameters)
        told.update(_CANONICAL([variant.name, variant.target.identity, prompt, asked, parameters]))
    for name, judge in judging.items():
        parameters = judge.parameters if isinstance(judge, Asked) else {}
        told.update(_CANONICAL([name, judge.identity, parameters]))
    for item in items:
        told.update(_CANONICAL([*item[:-1], [one.model_dump() for one in item.assertions]]))
    return told.hexdigest()


def folder_of(suite: Suite, digest: str, root: Path) -> Path:
    """Where its results lie unless told otherwise: by suite, and by what decides them."""
    return root / suite.config.name.replace("/", "-").replace(":", "-") / digest[:12]
