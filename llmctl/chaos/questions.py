"""What is asked in a drill, and what an answer must say: whose question it is, which one, and for whom it was made."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llmctl.chaos.experiment import LoadConfig
from llmctl.model.json import UNDECODABLE, decode, encode

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu")
SHARED = 20
"""Questions that everybody asks are so many different ones."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. Its `id` begins with the tenant; the answer must be `text` and the id of a request for it."""

    id: str
    tenant: str
    text: str
    model: str
    stream: bool

    def wire(self, key: str) -> bytes:
        """The request."""
        payload: dict[str, Any] = {
            "model": self.model,
            "max_tokens": 4 * len(self.text),
            "messages": [{"role": "user", "content": self.text}],
        }
        if self.stream:
            payload |= {"stream": True, "stream_options": {"include_usage": True}}
        body = encode(payload)
        return (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n"
            b"content-type: application/json\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (key.encode(), self.id.encode(), len(body), body)
        )


def tenant_name(number: int) -> str:
    """Of the tenant of this number."""
    return f"tenant{number}"


def tenant_of(request: str) -> str:
    """Whose a request is, by its id."""
    return request.partition("-")[0]


def questions(load: LoadConfig, phase: str, seconds: float) -> Iterator[Question]:
    """Those of a phase of the drill, in their order. Streams and shared ones are spread evenly over all tenants."""
    for number in range(round(load.rate * seconds)):
        tenant = tenant_name(number % load.tenants)
        turn = number // load.tenants
        stream = int((turn + 1) * load.streams) > int(turn * load.streams)
        shared = int((turn + 1) * load.shared) > int(turn * load.shared)
        subject = f"everybody asks {turn % SHARED}" if shared else f"{tenant} asks {phase} {number}"
        words = " ".join(WORDS[(turn * 7 + at * (turn % 5 + 1)) % len(WORDS)] for at in range(load.words))
        if shared:
            words = " ".join(WORDS[(turn % SHARED + at) % len(WORDS)] for at in range(load.words))
        yield Question(f"{tenant}-{phase}-{number}", tenant, f"{subject}: {words}", load.route, stream)


@dataclass(slots=True)
class Answered:
    """What became of a question. `due` and `ended` are of the monotonic clock.

    `terminals` are a stream's ends, `said` is an error's text, and `trouble` is what no answer may be, right or wrong.
    """

    question: Question
    due: float
    ended: float = 0.0
    status: int = 0
    text: str = ""
    finish: tuple[str, ...] = ()
    terminals: tuple[str, ...] = ()
    said: str = ""
    trouble: str = ""

    @property
    def made_for(self) -> str | None:
        """The request for which the answer was made, as its provider wrote at its end."""
        head, mark, rest = self.text.rpartition(" [")
        return rest[:-1] if mark and rest.endswith("]") and head else None

    @property
    def complete(self) -> bool:
        """Whether the client was told that this is the whole answer."""
        ended = self.terminals == (("done",) if self.question.stream else ())
        return self.status == 200 and self.finish == ("stop",) and ended and not self.trouble

    @property
    def right(self) -> bool:
        """Whether it is what a sound provider says to this question, made for this tenant."""
        made = self.made_for
        if not self.complete or made is None or tenant_of(made) != self.question.tenant:
            return False
        return self.text == f"{self.question.text} [{made}]"

    @property
    def refused(self) -> bool:
        """Whether a limit or a budget refused it."""
        return self.status == 429 and not self.trouble

    @property
    def seconds(self) -> float:
        """From when it was due to its end."""
        return self.ended - self.due

    def __str__(self) -> str:
        kind = "stream" if self.question.stream else "whole"
        what = self.trouble or self.said or f"{self.terminals} {self.finish} {self.text!r}"
        return f"{self.question.id} ({kind}, {self.seconds:.2f} s): {what}"[:300]


def judge(question: Question, due: float, status: int, body: bytes) -> Answered:
    """What an answer amounts to."""
    found = Answered(question, due, status=status)
    try:
        if question.stream and status == 200:
            _stream(found, body)
        elif status == 200:
            choice = decode(body)["choices"][0]
            found.text, found.finish = choice["message"]["content"], (choice["finish_reason"],)
        elif status:
            found.said = f"{status} {body[:200].decode('utf-8', 'replace')}"
        else:
            found.trouble = "the connection was closed without an answer"
    except (KeyError, IndexError, TypeError, *UNDECODABLE) as error:
        found.trouble = f"{type(error).__name__}: {error} in {body[:200]!r}"
    return found


def _stream(found: Answered, body: bytes) -> None:
    texts: list[str] = []
    for event in body.split(b"\n\n"):
        data = event.removeprefix(b"data: ")
        if not data or data.startswith(b":"):
            continue
        if found.terminals:
            found.trouble = f"after its end came {event[:100]!r}"
        if data == b"[DONE]":
            found.terminals += ("done",)
            continue
        chunk = decode(data)
        if "error" in chunk:
            found.terminals += ("error",)
            found.said = data[:200].decode("utf-8", "replace")
            continue
        for choice in chunk["choices"]:
            texts.append(choice["delta"].get("content") or "")
            if choice["finish_reason"] is not None:
                found.finish += (choice["finish_reason"],)
    found.text = "".join(texts)
    if not found.terminals:
        found.trouble = "it has no end"
