"""A chat request (OpenAI's dialect) with its volatile context compressed.

Volatile is what was put there for this request: tool results, passages marked as such in a user message, and a long
document that a user message asks about. Never touched: system prompts, assistant turns, tool definitions, the question
and the instructions around a document, code, JSON beyond its white space, messages up to the last mark of `prefix`, and
messages the caller says are stable. Few-shot examples look like earlier turns, so earlier user messages are left alone
unless `history` is set; earlier tool results are not examples.

What becomes of a message depends on nothing after it, so that with `history` (and for tool results always) what a
provider has cached of the conversation so far is still its beginning at the next turn.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

from llmctl.compress.extract import Count, compress, estimate
from llmctl.compress.minify import minify_json, minify_text
from llmctl.compress.options import ExtractiveOptions, MinifyOptions, Source
from llmctl.compress.prefix import marked
from llmctl.compress.rank import Ranker, terms
from llmctl.compress.units import blocks, is_code
from llmctl.model.json import JsonObject

MAX_QUESTION = 600  # characters of a paragraph that may be the question

_TAGGED = re.compile(
    r"<(documents?|docs?|contexts?|passages?|sources?|search_results?|results?|retrieved\w{0,20}|files?|transcripts?|"
    r"articles?|texts?|reports?|emails?|pages?|content)\b[^<>\n]{0,300}>",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'^"{3}(?!")(.+?)"{3}', re.DOTALL | re.MULTILINE)
_LABEL = re.compile(
    r"^[ \t#*]{0,6}(?:context|documents?|passages?|sources?|search results|background|transcript|article|text)"
    r"[ *]{0,4}:[ *]{0,4}(?:\n|[ ])",
    re.IGNORECASE | re.MULTILINE,
)
_ASKED = re.compile(
    r"^[ \t#*]{0,6}(?:question|query|task|instructions?|request|user|q)[ *]{0,4}:", re.IGNORECASE | re.MULTILINE
)
_MARKED = re.compile(
    r"^[ ]{0,3}(?:(?:Document|Doc|Passage|Source|Result|Chunk|Snippet)\s{0,2}[\[(#]?\d{1,4}\b|\[\d{1,4}\])",
    re.IGNORECASE | re.MULTILINE,
)
_EXAMPLE = re.compile(
    r"^[ \t#*]{0,6}(?:examples?|input|output|q|a|answer)\b ?\d{0,3}[ *]{0,4}:", re.IGNORECASE | re.MULTILINE
)
_REQUESTS = re.compile(
    r"(?:please|find|list|name|tell|explain|describe|extract|identify|give|compare|answer|according to|using|based on)"
    r"\b",
    re.IGNORECASE,
)
_QUESTIONS = re.compile(
    r"(?:who|whom|whose|what|which|when|where|why|how|is|are|was|were|do|does|did|can|could|will|has|have)\b",
    re.IGNORECASE,
)
# What needs all of a document, so that leaving out anything is wrong.
_NEEDS_ALL = re.compile(
    r"\b(?:translate|rewrite|rephrase|paraphrase|proofread|edit|reformat|convert|transcribe|summari[sz]e|summary|tl;?dr|"
    r"review|critique|count|how many times|entire|whole|every|overall|verbatim|word for word|sentiment|classify)\b",
    re.IGNORECASE,
)
MAX_BARE = 200  # characters of a question without its mark
_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")


class Change(NamedTuple):
    """One text that was compressed: the message's place, where it is from, how, and its tokens before and after."""

    message: int
    source: Source
    how: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Applied:
    """`payload` is new where anything changed, else the one given. Tokens are those of the changed texts alone."""

    payload: JsonObject
    changes: tuple[Change, ...] = ()

    @property
    def before(self) -> int:
        """Tokens of the texts that were changed, as they were."""
        return sum(change.before for change in self.changes)

    @property
    def after(self) -> int:
        """Tokens of the texts that were changed, as they are."""
        return sum(change.after for change in self.changes)


class Shortener(Protocol):
    """What makes a document shorter for a question: extraction here, a model elsewhere."""

    def __call__(self, document: str, query: str, /) -> str:
        """The shorter document; the same where nothing can be left out."""
        ...


class Extraction:
    """Extraction by options, made once: patterns compiled, embedding loaded at the first use or by `load`."""

    def __init__(self, options: ExtractiveOptions, count: Count = estimate, ranker: Ranker | None = None) -> None:
        self._options, self._count = options, count
        self._ranker = ranker or Ranker()
        self._protect = options.patterns()

    def load(self) -> None:
        """Read the embedding's table now."""
        self._ranker.load()

    def __call__(self, document: str, query: str) -> str:
        """What of the document the query is about, within the options' budget."""
        options = self._options
        return compress(
            document, query, options.budget, count=self._count, protect=self._protect, mark=options.mark,
            ranker=self._ranker,
        ).text  # fmt: skip


def compress_payload(
    payload: JsonObject,
    options: MinifyOptions,
    *,
    shorten: Shortener | None = None,
    count: Count = estimate,
    stable: int = 0,
) -> Applied:
    """`payload` with its volatile context compressed; the one given is not changed.

    `shorten` makes a document shorter for a question, and is None where only white space is to go. `stable` says how
    many messages at the beginning the provider is known to have cached.
    """
    messages = payload.get("messages")
    if not isinstance(messages, list):
        return Applied(payload)
    run = _Run(options, shorten, count)
    frozen = max(stable, marked(messages))
    last = _last_user(messages)
    new = list(messages)
    for at, message in enumerate(messages):
        role = _role(message)
        if role == "user":
            run.asked(message)
        if at < frozen or not isinstance(message, dict) or str(message.get("name", "")).startswith("example"):
            continue
        if role in ("tool", "function"):
            new[at] = run.tool(at, message)
        elif role == "user" and (at == last or options.history):
            new[at] = run.user(at, message)
    return Applied({**payload, "messages": new}, tuple(run.changes)) if run.changes else Applied(payload)


def volume(payload: JsonObject, options: MinifyOptions) -> int:
    """Characters that `compress_payload` would look at; 0 where no text is long enough. Takes microseconds."""
    messages = payload.get("messages")
    if not isinstance(messages, list):
        return 0
    least, total, tools, users = 4 * options.min_tokens - 3, 0, False, -1  # what `estimate` makes so many tokens of
    for at, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role == "user" or role == "tool" or role == "function":
            content = message.get("content")
            for text in (content,) if isinstance(content, str) else _texts(content):
                if len(text) >= least or (not text.isascii() and 4 * len(text) >= least):
                    total += len(text)
                    tools, users = tools or role != "user", at if role == "user" else users
    return total if tools or (users >= 0 and (options.history or users == _last_user(messages))) else 0


class _Run:
    """One payload's changes."""

    def __init__(self, options: MinifyOptions, shorten: Shortener | None, count: Count) -> None:
        self._options, self._shorten, self._count = options, shorten, count
        self._question: Callable[[], str] = str
        self.changes: list[Change] = []

    def asked(self, message: JsonObject) -> None:
        """Whose question the tools' results after it are for; looked for when there is one that is long enough."""
        self._question = cache(lambda: _question_of(message))

    def tool(self, at: int, message: JsonObject) -> JsonObject:
        """A tool's result, compressed for the question before it."""
        return _with_texts(message, lambda text: self._text(at, "tool", text, self._question))

    def user(self, at: int, message: JsonObject) -> JsonObject:
        """A user's message, the documents within it compressed for the question within it."""
        content = message.get("content")
        if isinstance(content, str):
            return {**message, "content": self._within(at, content)}
        texts = _texts(content)
        if len(texts) < 2:
            return _with_texts(message, lambda text: self._within(at, text))
        # A list of texts: the last one asks, or the first; the others are documents.
        asks = [text for text in (texts[-1], texts[0]) if len(text) <= MAX_QUESTION and _asks(text)]
        if not asks:
            return _with_texts(message, lambda text: self._within(at, text))
        return _with_texts(
            message, lambda text: text if text == asks[0] else self._text(at, "document", text, partial(str, asks[0]))
        )

    def _within(self, at: int, text: str) -> str:
        if self._count(text) < self._options.min_tokens:
            return text
        parts = locate(text)
        if parts is None or _few_shot("".join(parts.texts[::2])):
            return text
        new = list(parts.texts)
        for place, source in parts.documents:
            new[place] = self._text(at, source, new[place], partial(str, parts.question))
        return "".join(new)

    def _text(self, at: int, source: Source, text: str, asks: Callable[[], str]) -> str:
        """One document. JSON only loses white space; nothing is left out where the question names nothing."""
        if source not in self._options.sources:
            return text
        before = self._count(text)
        if before < self._options.min_tokens:
            return text
        how, shorter = "minify", minify_json(text)
        if shorter is None:
            if _few_shot(text) or is_code(text, found := blocks(text)):
                return text
            shorter = minify_text(text, found)
            question = asks() if self._shorten is not None else ""
            if self._shorten is not None and terms(question) and not _NEEDS_ALL.search(question):
                how, shorter = self._options.kind, self._shorten(shorter, question)
        after = self._count(shorter)
        if after >= before:
            return text
        self.changes.append(Change(at, source, how, before, after))
        return shorter


class Located(NamedTuple):
    """A user message in parts that join to it; `documents` are places of parts, each with where it is from."""

    texts: tuple[str, ...]
    documents: tuple[tuple[int, Source], ...]
    question: str


def locate(text: str) -> Located | None:
    """Where documents stand in a user message, and what is asked about them; None where either is not found.

    Documents stand within tags (`<document>`), within three quotation marks, after a label (`Context:`) until what
    asks (`Question:`), or are everything but a question at the beginning or the end.
    """
    for finder in (_tagged, _quoted, _labelled, _around):
        spans = _outside_code(text, finder(text))
        if spans and (found := _located(text, spans)):
            return found
    return None


def _outside_code(text: str, spans: list[tuple[int, int, Source]]) -> list[tuple[int, int, Source]]:
    """Those spans that do not begin or end within code, or are code."""
    if not spans:
        return []
    units = [unit for unit in blocks(text) if unit.kind == "code"]
    code = [(unit.start, unit.start + len(text[unit.start : unit.end].rstrip())) for unit in units]
    return [
        span
        for span in spans
        if not any(start < edge < end for start, end in code for edge in span[:2])
        and not any(start <= span[0] and span[1] <= end for start, end in code)
    ]


def _located(text: str, spans: Sequence[tuple[int, int, Source]]) -> Located | None:
    texts: list[str] = []
    documents: list[tuple[int, Source]] = []
    at = 0
    for start, end, source in spans:
        texts.append(text[at:start])
        documents.append((len(texts), source))
        texts.append(text[start:end])
        at = end
    texts.append(text[at:])
    outside = texts[::2]
    question = _asking("\n\n".join(part for part in outside if part.strip()))
    return Located(tuple(texts), tuple(documents), question) if question else None


def _asking(text: str) -> str:
    """The sentences that ask, of what stands around documents; all of it where none has a question mark."""
    asking = [part for part in re.split(r"(?<=[.?!:])\s+|\n+", text) if part.rstrip().endswith("?")]
    return " ".join(asking) or text.strip()


def _tagged(text: str) -> list[tuple[int, int, Source]]:
    found: list[tuple[int, int, Source]] = []
    at = 0
    open_ended: set[str] = set()
    while opened := _TAGGED.search(text, at):
        at = opened.end()
        end = -1 if opened[1] in open_ended else text.find(f"</{opened[1]}>", at)
        if end < 0:
            open_ended.add(opened[1])
            continue
        found.append((opened.end(), end, "retrieved"))
        at = end
    return found


def _quoted(text: str) -> list[tuple[int, int, Source]]:
    spans: list[tuple[int, int, Source]] = [(*match.span(1), "document") for match in _QUOTED.finditer(text)]
    # Beside code, what stands in three quotation marks is its documentation.
    beside = spans and any(
        unit.kind == "code" and not any(start <= unit.start and unit.end <= end for start, end, _ in spans)
        for unit in blocks(text)
    )
    return [] if beside else spans


def _labelled(text: str) -> list[tuple[int, int, Source]]:
    label = _LABEL.search(text)
    if label is None:
        return []
    asked = _ASKED.search(text, label.end())
    if asked:
        return [(label.end(), asked.start(), "retrieved")]
    before = text[: label.start()]
    return [(label.end(), len(text), "retrieved")] if _asks(before[-MAX_QUESTION:]) else []


def _around(text: str) -> list[tuple[int, int, Source]]:
    """Everything but the last paragraph, or the first, where that asks."""
    breaks = list(_PARAGRAPHS.finditer(text.rstrip()))
    if not breaks:
        return []
    source: Source = "retrieved" if len(_MARKED.findall(text)) > 1 else "document"
    first, last = breaks[0], breaks[-1]
    if len(text) - last.end() <= MAX_QUESTION and _asks(text[last.end() :]):
        lead = first.end() if first is not last and _instructs(text[: first.start()]) else 0
        return [(lead, last.start(), source)]
    if first.start() <= MAX_QUESTION and _asks(text[: first.start()]):
        return [(first.end(), len(text), source)]
    return []


def _instructs(text: str) -> bool:
    return len(text) <= MAX_QUESTION and (text.rstrip().endswith((":", "?")) or bool(_REQUESTS.match(text.lstrip())))


def _asks(text: str) -> bool:
    """Whether a paragraph is a question or a request, as far as its ends show."""
    text = text.strip()
    if not text or text.endswith("?") or _ASKED.match(text) or _REQUESTS.match(text):
        return bool(text)
    bare = len(text) <= MAX_BARE and "\n" not in text and not text.endswith((".", "!", ":"))
    return bare and _QUESTIONS.match(text) is not None


def _few_shot(text: str) -> bool:
    """Whether a text has examples in it: at least four lines that begin with `Input:`, `Output:`, `Q:`, `A:`…"""
    return len(_EXAMPLE.findall(text)) >= 4


def _role(message: Any) -> str:
    return str(message.get("role")) if isinstance(message, dict) else ""


def _last_user(messages: Sequence[Any]) -> int:
    """The place of the last message of a user; -1 where there is none."""
    return next((at for at in range(len(messages) - 1, -1, -1) if _role(messages[at]) == "user"), -1)


def _question_of(message: JsonObject) -> str:
    """What a user message asks: its question where it has documents, else all that it says."""
    texts = _texts(message.get("content")) if not isinstance(message.get("content"), str) else [message["content"]]
    said = texts[-1] if texts else ""
    found = locate(said)
    return found.question if found else said


def _texts(content: Any) -> list[str]:
    parts = content if isinstance(content, list) else ()
    return [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]


def _with_texts(message: JsonObject, change: Callable[[str], str]) -> JsonObject:
    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": change(content)}
    if not isinstance(content, list):
        return message
    parts = [
        {**part, "text": change(part["text"])} if isinstance(part, dict) and isinstance(part.get("text"), str) else part
        for part in content
    ]
    return {**message, "content": parts}
