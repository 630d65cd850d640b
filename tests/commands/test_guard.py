import gzip
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from llmctl.commands import main as entry
from llmctl.commands.main import Verb, main
from llmctl.guards import TABLE
from llmctl.guards.base import ALLOW, About, GuardOptions, Span, Verdict
from llmctl.guards.leakage import Leakage
from llmctl.guards.pattern import Pattern


class Shouting:
    """Scores by the share of capitals; flags each word that is all capitals."""

    Options = GuardOptions
    directions: ClassVar[frozenset[Any]] = frozenset({"input", "output"})
    lookbehind: ClassVar[int | None] = 32
    cost_us: ClassVar[float] = 1.0

    def __init__(self, options: GuardOptions) -> None:
        self.limit = {"strict": 0.3, "balanced": 0.5, "lenient": 0.9}[options.preset]

    def judge(self, text: str, about: About) -> Verdict:
        score = sum(map(str.isupper, text)) / max(1, len(text))
        if about.source == "tool" or "quiet" in about.context:
            return ALLOW
        words = tuple(Span(m.start(), m.end(), "WORD", "x") for m in re.finditer(r"\b[A-Z]+\b", text))
        outcome: Any = "block" if score >= self.limit else "allow"
        return Verdict(outcome, score, f"preset limit {self.limit}", "loud", words)

    def unsettled(self, text: str) -> int:
        return 0


@pytest.fixture(autouse=True)
def _a_table_of_three(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(entry.VERBS, "guard", Verb("llmctl.commands.guard", "app", "Guards."))
    kept = dict(TABLE)
    TABLE.clear()
    TABLE.update({"shouting": Shouting, "leakage": Leakage, "pattern": Pattern})
    yield
    TABLE.clear()
    TABLE.update(kept)


def code(*args: str) -> object:
    with pytest.raises(SystemExit) as raised:
        main(["guard", *args])
    return raised.value.code


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def data(*rows: Any, name: str = "rows.jsonl") -> str:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    raw = text.encode("utf-8", "surrogatepass")
    Path(name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return name


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("list") == 0
    assert "shouting" in capsys.readouterr().out
    assert code("list", "--json") == 0
    rows = {row["kind"]: row for row in printed(capsys)}
    assert rows["leakage"]["directions"] == ["output"]
    assert rows["leakage"]["lookbehind"] == Leakage.lookbehind
    assert "recites the system prompt" in rows["leakage"]["about"]


def test_check_runs_what_can_run_and_exits_3_when_one_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("check", "all is well") == 0
    out = capsys.readouterr()
    assert out.out.startswith("shouting       allow   0.000")
    assert "not run: pattern: needs options: patterns: Field required" in out.err
    assert code("check", "STOP IT") == 3
    assert "block" in capsys.readouterr().out
    assert code("check", "STOP IT", "--json") == 3
    document = printed(capsys)
    assert document["blocked"] is True
    assert document["guards"]["shouting"]["spans"][1] == {"start": 5, "end": 7, "category": "WORD", "replacement": "x"}
    assert list(document["skipped"]) == ["pattern"]


def test_check_reads_a_file_or_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.txt").write_text("STOP")
    assert code("check", "-f", "t.txt", "-g", "shouting") == 3
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("HÉ".encode())))
    assert code("check", "-g", "shouting", "--json") == 3
    assert printed(capsys)["guards"]["shouting"]["score"] == 1.0


def test_check_says_where_a_text_comes_from_and_how_cautious_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("check", "STOP", "--source", "tool") == 0
    assert code("check", "STOP", "--context", "quiet") == 0
    assert code("check", "Stop IT", "--preset", "lenient") == 0
    assert code("check", "Stop IT", "--preset", "strict") == 3
    capsys.readouterr()
    prompt = "never tell a soul about the boat that is for sale"
    assert code("check", prompt, "-g", "leakage", "--context", prompt) == 0
    capsys.readouterr()
    assert code("check", prompt, "-g", "leakage", "--system", prompt, "--json") == 3
    assert printed(capsys)["direction"] == "output"


def test_options(capsys: pytest.CaptureFixture[str]) -> None:
    options = {"patterns": [{"name": "t", "regex": "TCK-[0-9]+"}]}
    assert code("check", "TCK-1", "-g", "pattern", "--options", json.dumps(options)) == 3
    Path("o.yaml").write_text("patterns: [{name: t, regex: 'TCK-[0-9]+'}]\n")
    assert code("check", "TCK-1", "-g", "pattern", "--options", "@o.yaml") == 3
    assert code("check", "TCK-", "-g", "pattern", "--options", "@o.yaml") == 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["check", "a", "-g", "nope"], "--guard: no guard nope; there are leakage, pattern, shouting"),
        (["check", "a", "-g", "leakage", "--direction", "input"], "--guard leakage: judges output only"),
        (["check", "a", "-g", "pattern"], "--options: pattern: patterns: Field required"),
        (["check", "a", "-g", "pattern", "--options", "{"], "--options: is not JSON"),
        (["check", "a", "-g", "pattern", "--options", "[1]"], "--options: give an object"),
        (["check", "a", "-g", "pattern", "--options", "@gone"], "--options: gone: cannot be read"),
        (["check", "a", "--options", '{"a": 1}'], "--options: they are one guard's"),
        (
            ["check", "a", "-g", "pattern", "--options", '{"patterns": [{"name": "t", "regex": "("}]}'],
            "--options: pattern: pattern t: missing )",
        ),
        (["check", "a", "-f", "b"], "give the text or --file, not both"),
        (["check", "-f", "gone.txt"], "--file: gone.txt: cannot be read: No such file"),
        (["bench", "--data", "gone.jsonl", "-g", "shouting"], "gone.jsonl: cannot be read: No such file"),
        (["bench", "--data", ".", "-g", "shouting"], ".: cannot be read: Is a directory"),
    ],
)
def test_a_mistake_is_a_message(args: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(*args) == 2
    assert says in capsys.readouterr().err


def test_a_file_that_is_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.bin").write_bytes(b"ab\xff")
    assert code("check", "-f", "b.bin") == 2
    assert "b.bin: is not UTF-8 at byte 2" in capsys.readouterr().err


ROWS = [
    {"text": "STOP", "label": 1},
    {"text": "please stop", "label": 1},
    {"text": "HELLO", "label": 0},
    {"text": "HELLO", "label": 0, "source": "tool"},
    {"text": "HELLO", "label": 0, "context": ["quiet"]},
    {"text": "HELLO", "label": 0, "context": "quiet"},
]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_bench_of_labels(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = data(*ROWS[:3], "", *ROWS[3:], name=name)
    assert code("bench", "--data", path, "--guard", "shouting", "--scores", "out.jsonl", "--json") == 0
    figures = printed(capsys)
    assert (figures["n"], figures["positives"]) == (6, 2)
    assert figures["counts"] == {"tp": 1, "fp": 1, "fn": 1, "tn": 3}
    assert (figures["precision"], figures["recall"], figures["f1"], figures["fpr"]) == (0.5, 0.5, 0.5, 0.25)
    assert figures["auc"] == pytest.approx((0.5 + 3 + 1.5) / 8)
    low, high = figures["intervals"]["fpr"]
    assert low < 0.25 < high
    assert 0 <= figures["p50_us"] <= figures["p99_us"]
    out = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert len(out) == 6
    assert out[0] == {
        "score": 1.0,
        "outcome": "block",
        "category": "loud",
        "spans": [{"type": "WORD", "start": 0, "end": 4}],
    }
    assert [row["outcome"] for row in out] == ["block", "allow", "block", "allow", "allow", "allow"]


def test_bench_of_spans(capsys: pytest.CaptureFixture[str]) -> None:
    spans = [{"type": "word", "start": 0, "end": 2}, {"type": "NAME", "start": 3, "end": 5}]
    path = data({"text": "AB cd EF", "spans": spans}, {"text": "nothing", "spans": []})
    assert code("bench", "--data", path, "-g", "shouting", "--json") == 0
    figures = printed(capsys)
    assert figures["positives"] == 1
    found = figures["spans"]
    assert (found["gold"], found["found"], found["precision"], found["recall"]) == (2, 2, 0.5, 0.5)
    assert found["by_type"]["word"]["recall"] == 1.0
    assert code("bench", "--data", path, "-g", "shouting", "--type", "WORD", "--json") == 0
    assert printed(capsys)["spans"]["recall"] == 1.0


def test_bench_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    path = data({"text": "AB cd", "spans": [{"type": "WORD", "start": 0, "end": 2}]})
    assert code("bench", "--data", path, "-g", "shouting") == 0
    out = capsys.readouterr().out
    assert "recall     0.000  (0.000 to 0.793)" in out
    assert "auc        -\n" in out
    assert "spans      F1 1.000 exact" in out


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not an object"),
        ("[" * 100_000, "recursion"),
        ({"label": 1}, "text: give a string"),
        ({"text": "a"}, "label: give 1 (bad) or 0"),
        ({"text": "a", "label": "bad"}, "label: give 1 (bad) or 0"),
        ({"text": "a", "label": 2}, "label: give 1 (bad) or 0"),
        ({"text": "a", "label": 1, "source": "web"}, "source: give one of"),
        ({"text": "a", "label": 1, "source": []}, "source: give one of"),
        ({"text": "a", "label": 1, "context": [1]}, "context: give"),
        ({"text": "a", "label": 1, "system": [1]}, "system: give"),
        ({"text": "a", "label": 1, "question": 1}, "question: give"),
        ({"text": "a", "spans": [{"type": "T", "start": 0}]}, "spans: each needs"),
        ({"text": "a", "spans": [{"type": "T", "start": 0, "end": 2}]}, "spans: type is a string"),
        ({"text": "a", "spans": "x"}, "spans: give a list"),
    ],
)
def test_a_bad_row_is_named_by_its_line(row: Any, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = data(ROWS[0], "", row, ROWS[1])
    assert code("bench", "--data", path, "-g", "shouting") == 2
    err = capsys.readouterr().err
    assert f"{path}:3: " in err
    assert says in err


def test_files_that_are_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    for name, raw in {"empty": b"\n", "binary": b"\xff\xfe\n", "cut.gz": gzip.compress(b"{}" * 500)[:-9]}.items():
        Path(name).write_bytes(raw)
        assert code("bench", "--data", name, "-g", "shouting") == 2
        assert name in capsys.readouterr().err
    path = data(ROWS[0])
    assert code("bench", "--data", path, "-g", "shouting", "--scores", "gone/out") == 2
    assert "--scores: gone/out: cannot be written" in capsys.readouterr().err


def test_a_row_with_a_lone_surrogate_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    path = data('{"text": "A \\ud800", "label": 1}')
    assert code("bench", "--data", path, "-g", "shouting", "--scores", "out", "--json") == 0
