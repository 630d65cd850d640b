"""A suite's list of scorers as one grader: options rendered for the sample, `not-`, weights, thresholds, the mean."""

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from pydantic import ValidationError

from llmctl.model.json import JsonObject
from llmctl.model.usage import UNPRICED, Cost
from llmctl.scoring.base import Ask, Assertion, Judged, Output, Sample, Scorer, ScorerOptions, Tools, Unscorable
from llmctl.scoring.result import Scored
from llmctl.scoring.table import find

NOT = "not-"


class Graded(NamedTuple):
    """What a grader says of an output. `score` and `passed` are None where nothing could be scored."""

    score: float | None
    passed: bool | None
    scored: list[Scored]
    judging: Cost = UNPRICED


class Wrong(ValueError):
    """A scorer that cannot be: `index` in the list, `key` of it (empty: the whole), and what to do."""

    def __init__(self, index: int, key: str, message: str) -> None:
        super().__init__(f"scorers[{index}]{'.' + key if key else ''}: {message}")
        self.index, self.key, self.message = index, key, message


@dataclass(frozen=True, slots=True)
class _Entry:
    """One scorer as the suite lists it. `texts` render its options, by the option's name."""

    metric: str
    kind: str
    weight: float
    threshold: float
    own: bool
    turned: bool
    scorer: Scorer
    options: ScorerOptions
    judges_errors: bool
    texts: Mapping[str, "Template"]


class Grader:
    """Scores outputs. Made once for a suite, and asked from one event loop."""

    def __init__(self, assertions: Iterable[Assertion], tools: Tools) -> None:
        """Raises Wrong for the first scorer that cannot be made."""
        environment = templates()
        self._spent: ContextVar[list[Cost]] = ContextVar("spent")
        tools = replace(tools, ask=self._metered(tools.ask)) if tools.ask is not None else tools
        self._entries = [_entry(number, one, tools, environment) for number, one in enumerate(assertions)]

    @property
    def metrics(self) -> Sequence[str]:
        """Names of what is scored, each once."""
        return tuple(dict.fromkeys(entry.metric for entry in self._entries))

    async def grade(self, sample: Sample, output: Output) -> Graded:
        """`score` is the weighted mean of what could be scored.

        Passed is an output that every scorer with a weight, or with a threshold of its own in the suite, passes.
        """
        scored: list[Scored] = []
        total = weights = 0.0
        passed: bool | None = None
        judging = UNPRICED
        for entry in self._entries:
            spent: list[Cost] = []
            self._spent.set(spent)
            one, own = await _scored(entry, sample, output)
            scored.append(one)
            for cost in spent or [own]:
                if cost is not UNPRICED:
                    judging = cost if judging is UNPRICED else judging + cost
            if one.value is None:
                continue
            total += entry.weight * one.value
            weights += entry.weight
            if entry.weight or entry.own:
                passed = bool(one.passed) and passed is not False
        return Graded(total / weights if weights else None, passed, scored, judging)

    def _metered(self, ask: Ask) -> Ask:
        """Notes what every question costs, also where the judge's answer turns out to be no score."""

        async def metered(model: str, messages: Sequence[JsonObject], parameters: Mapping[str, Any]) -> Judged:
            try:
                judged = await ask(model, messages, parameters)
            except Unscorable as error:
                self._spent.get().append(error.cost)
                raise
            self._spent.get().append(judged.cost)
            return judged

        return metered


async def _scored(entry: _Entry, sample: Sample, output: Output) -> tuple[Scored, Cost]:
    if output.error and not entry.judges_errors:
        reason = f"there is no answer: {output.error}"
        return Scored(entry.metric, entry.kind, None, None, entry.weight, reason=reason), UNPRICED
    try:
        options = _rendered(entry, sample) if entry.texts else entry.options
        found = await entry.scorer.score(sample, output, options)
    except Unscorable as error:
        return Scored(entry.metric, entry.kind, None, None, entry.weight, reason=str(error)), UNPRICED
    except Exception as error:  # a scorer's bug, ours or a user's, must not end a run that is paid for
        reason = f"a bug in the scorer: {type(error).__name__}: {error}"
        return Scored(entry.metric, entry.kind, None, None, entry.weight, reason=reason), UNPRICED
    value = 1.0 - found.value if entry.turned else found.value
    passed = found.value < entry.threshold if entry.turned else found.value >= entry.threshold
    return (
        Scored(entry.metric, entry.kind, value, passed, entry.weight, found.raw, found.reason, found.parts),
        found.cost,
    )


def _rendered(entry: _Entry, sample: Sample) -> ScorerOptions:
    known = known_of(sample)
    try:
        texts = {name: text.render(known) for name, text in entry.texts.items()}
    except Exception as error:  # expressions in templates can raise anything
        raise Unscorable(f"{entry.metric}: the sample {sample.id} does not fit its options: {error}") from None
    if empty := [name for name, text in texts.items() if text is None]:  # None would stand for the option's default
        raise Unscorable(f"{entry.metric}: the sample {sample.id} has nothing for {', '.join(empty)}")
    return entry.options.model_copy(update=texts)


def known_of(sample: Sample) -> dict[str, Any]:
    """What templates may refer to: the sample's columns, `id`, `expected`, `context`."""
    own = {"id": sample.id, "expected": sample.expected, "context": sample.context}
    return {**own, **sample.columns}


class Template:
    """An option with references: a text, or texts within lists and mappings."""

    def __init__(self, given: Any, environment: SandboxedEnvironment) -> None:
        """Raises TemplateError."""
        self._given = _compiled(given, environment)

    def render(self, known: Mapping[str, Any]) -> Any:
        """A text that is one reference and nothing else becomes what it refers to, of whatever type."""
        return _filled(self._given, known)


class _Reference:
    def __init__(self, expression: Any) -> None:
        self.expression = expression


class _Text:
    def __init__(self, template: Any) -> None:
        self.template = template


def _compiled(given: Any, environment: SandboxedEnvironment) -> Any:
    if isinstance(given, str) and ("{{" in given or "{%" in given):
        inner = given.strip().removeprefix("{{").removesuffix("}}").strip()
        if given.strip() == "{{" + given.strip()[2:-2] + "}}" and inner.replace("_", "a").isalnum():
            environment.from_string(given)
            return _Reference(inner)
        return _Text(environment.from_string(given))
    if isinstance(given, list | tuple):
        return [_compiled(one, environment) for one in given]
    if isinstance(given, dict):
        return {name: _compiled(one, environment) for name, one in given.items()}
    return given


def _filled(compiled: Any, known: Mapping[str, Any]) -> Any:
    match compiled:
        case _Reference(expression=name):
            if name not in known:
                raise TemplateError(f"{name!r} is undefined")
            return known[name]
        case _Text(template=template):
            return template.render(known)
        case list():
            return [_filled(one, known) for one in compiled]
        case dict():
            return {name: _filled(one, known) for name, one in compiled.items()}
    return compiled


def templates() -> SandboxedEnvironment:
    """Where suites' texts are rendered: no access to Python's insides, an unknown name is an error."""
    return SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)


def _entry(number: int, given: Assertion, tools: Tools, environment: SandboxedEnvironment) -> _Entry:
    turned, kind = given.kind.startswith(NOT), given.kind.removeprefix(NOT)
    try:
        made = find(kind)
    except ValueError as error:
        raise Wrong(number, "kind", str(error)) from None
    raw = dict(given.model_extra or {})
    try:
        options = made.Options.model_validate(raw)
        texts = {
            name: Template(value, environment)
            for name, value in raw.items()
            if name in made.rendered and _refers(value)
        }
        scorer = made(options, tools)
    except ValidationError as error:
        first = error.errors()[0]
        raise Wrong(number, ".".join(map(str, first["loc"])), f"{first['msg']} (of scorer {kind})") from None
    except (ValueError, OSError, TemplateError) as error:
        raise Wrong(number, "", f"{kind}: {error}") from None
    threshold = given.threshold if given.threshold is not None else made.threshold
    name, own = given.name or given.kind, given.threshold is not None
    errors = bool(getattr(made, "judges_errors", False))
    return _Entry(name, given.kind, given.weight, threshold, own, turned, scorer, options, errors, texts)


def _refers(value: Any) -> bool:
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return any(_refers(one) for one in inner)
