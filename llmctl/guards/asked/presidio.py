"""Microsoft Presidio: personal data by named-entity recognition, as an HTTP service or in process."""

import importlib
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from llmctl.embedding.base import sendable
from llmctl.errors import LlmctlError, UpstreamError
from llmctl.guards.asked.http import Remote, RemoteOptions
from llmctl.guards.asked.threads import Workers
from llmctl.guards.asked.windows import each, windows
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Span, Verdict
from llmctl.model.json import JsonObject
from llmctl.net.transport import Transport

THRESHOLDS: dict[Preset, float] = {"strict": 0.35, "balanced": 0.5, "lenient": 0.7}
THREADS = 2

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Found = tuple[str, int, int, float]  # entity, start, end, score


class PresidioOptions(RemoteOptions):
    """Options of `presidio`. The preset sets the threshold. Without `base_url` it runs in this process."""

    base_url: str | None = Field(None, description="URL of the analyzer service. Default: in process.")
    language: str = Field(
        "en", pattern=r"^[A-Za-z-]{2,12}$", description="Language of the texts, as Presidio names it."
    )
    entities: tuple[str, ...] | None = Field(None, min_length=1, description="What to look for. Default: all it knows.")
    score_threshold: Share | None = Field(None, description="Least score. Default: by preset, 0.35, 0.5, 0.7.")
    action: Literal["warn", "redact", "block"] = Field("redact", description="What a finding is worth.")
    nlp: dict[str, Any] | None = Field(
        None, description="In process: Presidio's `nlp_configuration`. Default: its own."
    )
    max_chars: int = Field(20_000, ge=200, description="Longer texts are analysed in windows of so many characters.")
    overlap: int = Field(500, ge=0, description="Characters that neighbouring windows share.")
    max_windows: int = Field(64, ge=1, le=1_000, description="A text that takes more windows is an error.")

    @model_validator(mode="after")
    def _fits(self) -> "PresidioOptions":
        if self.overlap * 2 > self.max_chars:
            raise ValueError("overlap is more than half of max_chars; lower it")
        if self.base_url is not None and self.nlp is not None:
            raise ValueError("nlp is for Presidio in process; configure the service's own, or take base_url out")
        return self


class Presidio:
    """Spans are what Presidio found, in characters, which is how both count."""

    Options: ClassVar[type[GuardOptions]] = PresidioOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})

    def __init__(self, options: PresidioOptions, transport: Transport) -> None:
        """In process it loads the language model, which takes seconds and hundreds of megabytes."""
        self._options = options
        self._least = THRESHOLDS[options.preset] if options.score_threshold is None else options.score_threshold
        self._remote: Remote | None = None
        self._analyze: Callable[..., Any] | None = None
        self._workers = Workers("presidio", THREADS)
        if options.base_url is not None:
            self._remote = Remote("presidio", options.base_url, options, transport)
        else:
            self._analyze = _engine(options)

    async def judge(self, text: str, about: About) -> Verdict:
        """All that was found in any window; `category` is the surest."""
        if not text.strip():
            return ALLOW
        given = self._options
        places = windows(len(text), given.max_chars, given.overlap, given.max_windows)
        whole = sendable(text)

        async def ask(place: tuple[int, int]) -> list[Found]:
            start, end = place
            return [(kind, start + at, start + to, score) for kind, at, to, score in await self._ask(whole[start:end])]

        found = sorted({hit for hits in await each(ask, places) for hit in hits}, key=lambda hit: (hit[1], hit[2]))
        if not found:
            return ALLOW
        best = max(found, key=lambda hit: hit[3])
        kinds = ", ".join(sorted({kind for kind, *_ in found}))
        spans = tuple(Span(start, end, kind, f"[{kind}]") for kind, start, end, _ in found)
        return Verdict(given.action, best[3], f"presidio: {kinds[:500]}", best[0], spans)

    def close(self) -> None:
        """Give back the threads."""
        self._workers.close()

    async def _ask(self, text: str) -> list[Found]:
        given = self._options
        payload: JsonObject = {"text": text, "language": given.language, "score_threshold": self._least}
        if given.entities is not None:
            payload["entities"] = list(given.entities)
        if self._remote is not None:
            try:
                return self._read(await self._remote.ask(b"/analyze", payload), len(text))
            except ValueError as error:
                raise self._remote.nonsense(str(error)) from None
        analyze = self._analyze
        assert analyze is not None
        try:
            results = await self._workers.run(lambda: [result.to_dict() for result in analyze(**payload)])
            return self._read(results, len(text))
        except LlmctlError:
            raise
        except Exception as error:
            raise UpstreamError(f"guard presidio: the analyzer failed with {type(error).__name__}") from error

    def _read(self, answer: object, length: int) -> list[Found]:
        if not isinstance(answer, list):
            raise ValueError("it must be a list")
        return [hit for item in answer if (hit := _found(item, length))[3] >= self._least]


def _found(item: object, length: int) -> Found:
    if not isinstance(item, dict):
        raise ValueError("a result must be an object")
    kind, start, end, score = (item.get(key) for key in ("entity_type", "start", "end", "score"))
    if not isinstance(kind, str) or not kind or len(kind) > 100:
        raise ValueError("a result's `entity_type` must be a string")
    if not (type(start) is int and type(end) is int and 0 <= start < end <= length):
        raise ValueError(f"a result's `start` and `end` must be positions within the {length} characters sent")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise ValueError("a result's `score` must be a number from 0 to 1")
    return kind, start, end, float(score)


def _engine(options: PresidioOptions) -> Callable[..., Any]:
    try:
        package = importlib.import_module("presidio_analyzer")
    except ImportError as error:
        raise ValueError(
            f"presidio in process needs presidio_analyzer ({error}): run `pip install presidio-analyzer` "
            "and `python -m spacy download en_core_web_lg`, or set base_url to a Presidio service"
        ) from None
    try:
        if options.nlp is None:
            engine = package.AnalyzerEngine(supported_languages=[options.language])
        else:
            provider = importlib.import_module("presidio_analyzer.nlp_engine").NlpEngineProvider
            nlp = provider(nlp_configuration=options.nlp).create_engine()
            engine = package.AnalyzerEngine(nlp_engine=nlp, supported_languages=[options.language])
        known = set(engine.get_supported_entities(language=options.language))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # spaCy exits where it cannot download a model
        raise ValueError(
            f"presidio cannot start for language {options.language} ({type(error).__name__}: {error}); "
            "install the spaCy model that it names with `python -m spacy download`, or name another in nlp"
        ) from None
    if unknown := sorted(set(options.entities or ()) - known):
        raise ValueError(f"entities: Presidio knows no {', '.join(unknown)}; it knows {', '.join(sorted(known))}")
    analyze: Callable[..., Any] = engine.analyze
    return analyze
