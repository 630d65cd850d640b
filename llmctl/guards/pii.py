"""Personal data of fixed form: found by pattern, confirmed by check digits and ranges or by a word beside it.

Names, addresses and organisations have no form; they need a model, which this guard is not. See docs/guardrails.md.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field, field_validator

from llmctl.guards import pii_patterns as patterns
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Signs, Span, Verdict
from llmctl.guards.pii_disguise import plain
from llmctl.guards.pii_finders import Finder, Finders, Place
from llmctl.guards.pii_hold import Unsettled
from llmctl.guards.pii_phone import SHORT_PLANS, PhoneFinder
from llmctl.guards.redaction import Covered, encodable, numbered
from llmctl.guards.scan import any_of

Entity = Literal[
    "EMAIL",
    "URL_CREDENTIALS",
    "IBAN",
    "CARD",
    "SSN",
    "ITIN",
    "IP",
    "MAC",
    "CRYPTO",
    "DATE_OF_BIRTH",
    "PASSPORT",
    "DRIVER_LICENSE",
    "NATIONAL_ID",
    "PHONE",
]
ENTITIES: tuple[Entity, ...] = Entity.__args__  # type: ignore[attr-defined]
"""All of them, the most certain first: where two overlap, the earlier one names it."""

_THRESHOLDS: dict[Preset, float] = {"strict": 0.5, "balanced": 0.6, "lenient": 0.8}


class PiiOptions(GuardOptions):
    """What counts as personal data."""

    entities: tuple[Entity, ...] = Field(ENTITIES, description="Types to look for; all by default.")
    phone_regions: tuple[str, ...] = Field(
        ("US", "GB", "DE", "FR", "ES", "IT", "IN", "AU", "BR", "JP"),
        description="Countries (ISO 3166) whose telephone numbers are known without a country code.",
    )
    allow: frozenset[str] = Field(
        frozenset(), description="Values never reported, such as the support address; case does not matter."
    )

    threshold: float | None = Field(
        None, ge=0, le=1, description="Score from which a value is redacted. Default: 0.5, 0.6 or 0.8 by preset."
    )

    @field_validator("phone_regions")
    @classmethod
    def _countries(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        for region in regions:
            if len(region) != 2 or not region.isascii() or not region.isupper():
                raise ValueError(f"{region!r} is not a country: give two capital letters, such as 'DE'")
        return regions


class Found(NamedTuple):
    """Where something stands, of which type, and how certain that is."""

    start: int
    end: int
    entity: str
    score: float


class Pii:
    """Finds addresses, numbers and identifiers of persons; asks to replace each by its type and a number."""

    Options: ClassVar[type[GuardOptions]] = PiiOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: ClassVar[int | None] = 192
    cost_us: ClassVar[float] = 10.0

    def __init__(self, options: PiiOptions) -> None:
        self._threshold = _THRESHOLDS[options.preset] if options.threshold is None else options.threshold
        self._allow = frozenset(map(str.casefold, options.allow))
        self._phones = PhoneFinder(options.phone_regions) if "PHONE" in options.entities else None
        finders = Finders()
        wanted = [entity for entity in ENTITIES if entity in options.entities]
        self._finders: list[tuple[str, int, Finder]] = []
        triggers: list[str] = []
        numbers: dict[str, int] = {}
        for entity in wanted:
            trigger = patterns.ALSO_TRIGGERED.get(entity, entity)
            if trigger not in numbers:
                short = trigger == "PHONE" and SHORT_PLANS & set(options.phone_regions)
                numbers[trigger] = len(triggers)
                triggers.append(patterns.FEW_DIGITS if short else patterns.TRIGGERS[trigger])
            if entity != "PHONE":
                self._finders.append((entity, numbers[trigger], finders.of(entity)))
            if entity == "EMAIL":
                self._finders.append((entity, len(triggers), finders.of("SPELLED")))
                triggers.append(patterns.TRIGGERS["SPELLED"])
        self._phone_trigger = numbers.get("PHONE", -1)
        self._disguised = len(triggers)
        if wanted:
            triggers.append(patterns.TRIGGERS["DISGUISED"])
        self._unsettled = Unsettled(wanted)
        self.signs = Signs(tuple(triggers))
        self._triggered = any_of(self.signs.patterns)

    def judge(self, text: str, about: About) -> Verdict:
        """`redact` with a span for each value found; the score is that of the most certain one."""
        try:
            raw = text.encode()
        except UnicodeEncodeError:
            return self.judge(encodable(text), about)
        hits = self._triggered(raw)
        if not hits:
            return ALLOW
        found = self._undisguised(text) if self._disguised in hits else self._find(text, frozenset(hits))
        if not found:
            return ALLOW
        worst = max(found, key=lambda one: one.score)
        certain = [one for one in found if one.score >= self._threshold]
        if not certain:
            return Verdict("allow", worst.score, f"{worst.entity} is possible", worst.entity)
        spans = numbered(text, (Span(one.start, one.end, one.entity) for one in certain))
        reason = ", ".join(sorted({one.entity for one in certain}))
        return Verdict("redact", worst.score, f"found {reason}", worst.entity, spans)

    def unsettled(self, text: str) -> int:
        """The last word; of what looks like the beginning of a value, all of it."""
        return self._unsettled.length(text)

    def _undisguised(self, text: str) -> list[Found]:
        """What is found once the text is made plain, where it stands in the text as it is."""
        shown = plain(text)
        found = self._find(shown.text, frozenset(self._triggered(shown.text.encode()) or ()))
        return [one._replace(start=start, end=end) for one in found for start, end in [shown.place(one.start, one.end)]]

    def _find(self, text: str, hits: frozenset[int]) -> list[Found]:
        found: list[Found] = []
        covered = Covered(text)
        for entity, trigger, finder in self._finders:
            if trigger in hits:
                found += self._new(text, entity, finder(text), covered)
        if self._phones is not None and self._phone_trigger in hits:
            found += self._new(text, "PHONE", self._phones.find(text, covered), covered)
        return found

    def _new(self, text: str, entity: str, places: Iterator[Place], covered: Covered) -> Iterator[Found]:
        """Those that are not allowed and not part of what has been found already."""
        for start, end, score in places:
            if covered.contains(start, end) or (self._allow and text[start:end].casefold() in self._allow):
                continue
            if score >= self._threshold:
                covered.add(start, end)
            yield Found(start, end, entity, score)
