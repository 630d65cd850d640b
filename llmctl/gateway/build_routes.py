"""Makes what chooses models, and what stands by for them, from the configuration's models and routes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from llmctl.config.load import Loaded, decode
from llmctl.config.schema import Fallbacks, RouteConfig
from llmctl.config.section import Extension
from llmctl.errors import ConfigError
from llmctl.gateway.branch import Branch, Chooser
from llmctl.gateway.capabilities import Able, Capabilities
from llmctl.gateway.hedge import HedgeOptions, HedgePolicy
from llmctl.gateway.kept import Kept
from llmctl.gateway.reserves import DEFAULT, Reserves
from llmctl.model.record import Decision
from llmctl.routing import TABLE as STRATEGIES
from llmctl.routing.base import Learner, ModelFacts, Strategy
from llmctl.routing.conditions import Condition, When
from llmctl.routing.experiment import AbOptions, CanaryOptions, Shadow, ShadowOptions, Split, experiment
from llmctl.routing.fixed import Fixed, FixedOptions

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]
EXPERIMENTS: dict[str, type[AbOptions] | type[CanaryOptions] | type[ShadowOptions]] = {
    "ab": AbOptions,
    "canary": CanaryOptions,
    "shadow": ShadowOptions,
}


@dataclass(frozen=True, slots=True)
class Routes:
    """By every name a client may ask for: how its model is chosen, and what happens when that fails."""

    branches: dict[str, Branch] = field(default_factory=dict)
    reserves: dict[str, Reserves] = field(default_factory=dict)


class RouteMaker:
    """Makes them. What is wrong is added to `trouble`, as complete lines."""

    def __init__(self, loaded: Loaded, facts: Mapping[str, ModelFacts], kept: Kept, trouble: list[str]) -> None:
        self._loaded = loaded
        self._models = loaded.config.models
        self._facts = facts
        self._kept = kept
        self._experiments: dict[str, Path] = {}
        self._trouble = trouble
        self._ables = {
            name: Able(name, model.context, None if model.capabilities is None else frozenset(model.capabilities))
            for name, model in self._models.items()
        }

    def routes(self) -> Routes:
        """Every model by its own name, and every route."""
        made = Routes()
        for name, model in self._models.items():
            fixed = Chooser(Fixed(FixedOptions(model=name), self._facts), self._capabilities([name]))
            made.reserves[name] = self._reserves(("models", name), model.fallbacks, ())
            made.branches[name] = Branch(fixed, plain=self._plain(name, made.reserves[name]))
        for name, route in self._loaded.config.routes.items():
            path = ("routes", name)
            chooser, rules = self._chooser(path, route), self._rules(path, route)
            choosers = [one for one in (chooser, *(own for _, own in rules)) if one is not None]
            own = [model for one in choosers for model in one.strategy.models]
            reserves = self._reserves(path, route.fallbacks, tuple(dict.fromkeys(own)), route)
            split, shadow = self._experiment((*path, "experiment"), route.experiment)
            if chooser is None:
                continue
            simple = isinstance(chooser.strategy, Fixed) and not rules and split is None
            plain = self._plain(chooser.strategy.models[0], reserves) if simple else None
            arms = self._capabilities(split.models) if split is not None and split.models else None
            made.reserves[name] = reserves
            made.branches[name] = Branch(chooser, rules, split, arms, shadow, route.timeout, route.priority, plain)
        return made

    def _plain(self, model: str, reserves: Reserves) -> Decision | None:
        """The decision for a model where nothing has to be looked at, neither for it nor for those after it."""
        return Decision(model, "fixed", "named") if _undeclared(self._ables[model]) and not reserves.ables else None

    def _rules(self, path: Path, route: RouteConfig) -> tuple[tuple[Condition, Chooser], ...]:
        rules = []
        for at, rule in enumerate(route.rules):
            here = (*path, "rules", at)
            when, own = self._decoded(When, rule.when, (*here, "when")), self._chooser(here, rule)
            if when is not None:
                self._check_callers((*here, "when"), when)
                if own is not None:
                    rules.append((Condition(when), own))
        return tuple(rules)

    def _check_callers(self, path: Path, when: When) -> None:
        """A rule for tenants and keys that do not exist would never hold."""
        ring = self._loaded.config.keys
        known = {"tenants": {key.tenant for key in ring} | {"default"}, "keys": {key.id for key in ring}}
        for name, names in known.items():
            for at, given in enumerate(getattr(when, name) or ()):
                if given not in names:
                    there = f"there are {', '.join(sorted(names))}" if names else "there are none"
                    self._say((*path, name, at), f"no {given!r} here; {there}")

    def _chooser(self, path: Path, entry: Extension) -> Chooser | None:
        options = self._options(STRATEGIES, entry, path)
        if options is None:
            return None
        try:
            strategy = self._strategy(path, STRATEGIES[entry.kind], options)
        except (ValueError, OSError) as error:
            self._say(path, str(error))
            return None
        known = self._known(path, strategy.models, entry.options)
        return Chooser(strategy, self._capabilities(strategy.models)) if known else None

    def _strategy(self, path: Path, kind: type[Any], options: BaseModel) -> Strategy:
        """A strategy. One that learns is kept with what it knows, as long as neither it nor its models change."""

        def make() -> Strategy:
            made: Strategy = kind(options, self._facts)
            return made

        if not issubclass(kind, Learner):
            return make()
        key = ("strategy", path, kind.__name__, options.model_dump_json(), tuple(self._facts.items()))
        return self._kept.of(key, make)

    def _experiment(self, path: Path, entry: Extension | None) -> tuple[Split | None, Shadow | None]:
        if entry is None:
            return None, None
        options = self._options(EXPERIMENTS, entry, path)
        if not isinstance(options, AbOptions | CanaryOptions | ShadowOptions):
            return None, None
        found = experiment(options)
        self._check_experiment(path, options)
        if not self._known(path, found.models, entry.options):
            return None, None
        return (None, found) if isinstance(found, Shadow) else (found, None)

    def _check_experiment(self, path: Path, options: AbOptions | CanaryOptions | ShadowOptions) -> None:
        other = self._experiments.setdefault(options.name, path)
        if other != path:
            self._say((*path, "name"), f"{'.'.join(map(str, other))} has this name too; reports would mix them")
        subject = "" if isinstance(options, ShadowOptions) else options.subject
        if subject in ("key", "tenant") and not self._loaded.config.keys:
            advice = "name another subject: user, header:NAME, metadata.NAME, or request"
            self._say((*path, "subject"), f"without `keys` all requests are of one {subject}; {advice}")

    def _reserves(
        self, path: Path, given: Fallbacks | None, own: tuple[str, ...], route: RouteConfig | None = None
    ) -> Reserves:
        listed = given if given is not None else list(own)
        by_kind = listed if isinstance(listed, dict) else {DEFAULT: listed}
        fallbacks = {str(kind): tuple(models) for kind, models in by_kind.items()}
        if given is not None:
            for models in fallbacks.values():
                self._known((*path, "fallbacks"), models, given)
        if route is None:
            return Reserves(self._ables_of(fallbacks.values()), fallbacks)
        self._known((*path, "cheaper"), route.cheaper, route.cheaper)
        hedge = self._decoded(HedgeOptions, route.hedge, (*path, "hedge")) if route.hedge is not None else None
        return Reserves(
            self._ables_of([*fallbacks.values(), route.cheaper]),
            fallbacks,
            tuple(route.cheaper),
            route.static_answer,
            route.attempt_timeout,
            HedgePolicy(hedge) if hedge is not None else None,
            route.resume,
        )

    def _ables_of(self, lists: Iterable[Iterable[str]]) -> Mapping[str, Able]:
        """Those of the models named that say what they can do."""
        named = {name for models in lists for name in models}
        return {name: able for name, able in self._ables.items() if name in named and not _undeclared(able)}

    def _capabilities(self, models: Iterable[str]) -> Capabilities:
        return Capabilities([self._ables[name] for name in models if name in self._ables])

    def _known(self, path: Path, models: Iterable[str], named_in: Any) -> bool:
        """Whether there are such models; `named_in` is what stands at `path`."""
        unknown = [model for model in models if model not in self._models]
        known = ", ".join(sorted(self._models))
        for model in unknown:
            self._say(next(_places(named_in, path, model), path), f"no model {model!r}; there are {known}")
        return not unknown

    def _options(self, table: Mapping[str, type[Any]], entry: Extension, path: Path) -> BaseModel | None:
        if entry.kind not in table:
            self._say((*path, "kind"), f"no kind {entry.kind!r}; there are {', '.join(sorted(table))}")
            return None
        kind = table[entry.kind]
        return self._decoded(getattr(kind, "Options", kind), entry.options, path)

    def _decoded(self, model: type[M], raw: dict[str, Any], path: Path) -> M | None:
        try:
            return decode(model, raw, self._loaded, path)
        except ConfigError as error:
            self._trouble.extend(error.findings)
            return None

    def _say(self, path: Path, message: str) -> None:
        self._trouble.append(self._loaded.finding(path, message))


def _places(tree: Any, path: Path, name: str) -> Iterator[Path]:
    """Where `name` stands in what is at `path`, as a value or as a key."""
    if tree == name:
        yield path
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == name:
                yield (*path, key)
            yield from _places(value, (*path, key), name)
    elif isinstance(tree, list):
        for at, value in enumerate(tree):
            yield from _places(value, (*path, at), name)


def _undeclared(able: Able) -> bool:
    return able.context is None and able.capabilities is None
