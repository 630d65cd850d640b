"""Presidio as a service, and in process against a package of the same shape."""

import asyncio
import json
import sys
import threading
import types
from typing import Any

import pytest

from llmctl.errors import UpstreamError, UpstreamProtocolError, UpstreamStatus
from llmctl.guards.asked.presidio import Presidio, PresidioOptions
from llmctl.guards.base import ALLOW, About, Span
from llmctl.net.pool import Pool
from llmctl.testing.judges import JudgeServer

HIT = {"entity_type": "PERSON", "start": 0, "end": 4, "score": 0.85}


def presidio(server: JudgeServer, pool: Pool, **options: Any) -> Presidio:
    server.bad = ("Aino",)
    return Presidio(PresidioOptions(base_url=server.url, timeout=2, **options), pool)


async def test_findings_become_spans_in_characters(server: JudgeServer, pool: Pool) -> None:
    text = "\U0001f600 \u00e4 \u4e2d Aino and Aino"
    verdict = await presidio(server, pool, entities=("PERSON",)).judge(text, About())
    assert (verdict.outcome, verdict.score, verdict.category) == ("redact", 0.85, "PERSON")
    assert [text[span.start : span.end] for span in verdict.spans] == ["Aino", "Aino"]
    assert verdict.spans[0] == Span(6, 10, "PERSON", "[PERSON]")
    assert "Aino" not in verdict.reason
    assert server.requests[0].target == "/analyze"
    assert server.requests[0].json == {
        "text": text, "language": "en", "score_threshold": 0.5, "entities": ["PERSON"]
    }  # fmt: skip


async def test_nothing_found(server: JudgeServer, pool: Pool) -> None:
    assert await presidio(server, pool).judge("rye bread", About()) is ALLOW
    assert await presidio(server, pool).judge("  ", About()) is ALLOW
    assert len(server.requests) == 1
    assert "entities" not in server.requests[0].json


@pytest.mark.parametrize(("preset", "outcome"), [("strict", "redact"), ("balanced", "redact"), ("lenient", "allow")])
async def test_the_threshold_holds_even_where_the_service_forgets_it(
    server: JudgeServer, pool: Pool, preset: Any, outcome: str
) -> None:
    server.answer = (200, json.dumps([{**HIT, "score": 0.6}, {**HIT, "score": 0.1}]).encode())
    verdict = await presidio(server, pool, preset=preset).judge("Aino", About())
    assert verdict.outcome == outcome
    assert len(verdict.spans) == (outcome == "redact")


async def test_action(server: JudgeServer, pool: Pool) -> None:
    assert (await presidio(server, pool, action="block").judge("Aino", About())).outcome == "block"


@pytest.mark.parametrize("at", [0, 150, 197, 199, 200, 359, 700, 996])
async def test_windows_shift_positions_back(server: JudgeServer, pool: Pool, at: int) -> None:
    text = "." * at + "Aino" + "." * (996 - at)
    verdict = await presidio(server, pool, max_chars=200, overlap=40).judge(text, About())
    assert verdict.spans == (Span(at, at + 4, "PERSON", "[PERSON]"),)


@pytest.mark.parametrize(
    "answer",
    [{}, None, "x", {"error": "No text provided"}, [1], [[HIT]], [{**HIT, "entity_type": None}],
     [{**HIT, "entity_type": ""}], [{**HIT, "start": -1}], [{**HIT, "end": 5}], [{**HIT, "start": 4}],
     [{**HIT, "start": "0"}], [{**HIT, "end": 4.0}], [{**HIT, "start": False}], [{**HIT, "score": 2}],
     [{**HIT, "score": None}], [{**HIT, "score": True}], [HIT, {}]],
)  # fmt: skip
async def test_nonsense_never_passes(server: JudgeServer, pool: Pool, answer: Any) -> None:
    server.answer = (200, json.dumps(answer).encode())
    with pytest.raises(UpstreamProtocolError, match="cannot be understood"):
        await presidio(server, pool).judge("Aino", About())


async def test_errors_are_raised(server: JudgeServer, pool: Pool) -> None:
    server.answer = (500, b'{"error": "No matching recognizers were found for Aino"}')
    with pytest.raises(UpstreamStatus) as failed:
        await presidio(server, pool).judge("Aino", About())
    assert "Aino" not in failed.value.message


# --- in process


class Result:
    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def to_dict(self) -> dict[str, Any]:
        return self.fields


class AnalyzerEngine:
    def __init__(self, nlp_engine: Any = None, supported_languages: Any = None) -> None:
        if supported_languages == ["xx"]:
            raise SystemExit(1)
        self.nlp_engine = nlp_engine

    def get_supported_entities(self, language: str) -> list[str]:
        return ["PERSON", "EMAIL_ADDRESS"]

    def analyze(self, text: str, language: str, score_threshold: float, entities: Any = None) -> list[Result]:
        assert threading.current_thread() is not threading.main_thread()
        if "boom" in text:
            raise RuntimeError(f"cannot read {text}")
        at = text.find("Aino")
        return [Result(entity_type="PERSON", start=at, end=at + 4, score=0.85)] if at >= 0 else []


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("presidio_analyzer")
    module.AnalyzerEngine = AnalyzerEngine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "presidio_analyzer", module)


async def test_in_process(package: None, pool: Pool) -> None:
    guard = Presidio(PresidioOptions(), pool)
    verdicts = await asyncio.gather(*(guard.judge("." * n + "Aino", About()) for n in range(8)))
    assert [verdict.spans[0].start for verdict in verdicts] == list(range(8))
    assert await guard.judge("rye", About()) is ALLOW
    with pytest.raises(UpstreamError, match="RuntimeError") as failed:
        await guard.judge("boom hunter2", About())
    assert "hunter2" not in failed.value.message
    guard.close()
    guard.close()


@pytest.mark.parametrize(
    ("options", "says"), [({"language": "xx"}, "python -m spacy"), ({"entities": ["PESRON"]}, "PESRON")]
)
def test_what_presidio_cannot_do_is_refused_when_made(
    package: None, pool: Pool, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Presidio(PresidioOptions.model_validate(options), pool)


def test_without_the_package(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(ValueError, match="pip install presidio-analyzer"):
        Presidio(PresidioOptions(), pool)


@pytest.mark.parametrize(
    "options", [{"base_url": "http://h", "nlp": {}}, {"overlap": 15_000}, {"language": "e n"}, {"entities": []}]
)
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"nlp|overlap|language|entities"):
        PresidioOptions.model_validate(options)
