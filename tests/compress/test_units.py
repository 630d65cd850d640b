"""Units cover the document, and what is never cut comes back whole."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.compress.units import blocks, is_code, sentences

PIECES = st.sampled_from([
    "A sentence. ", "Mr. Smith went to Washington D.C. in 1999! ", "\n", "\n\n", "# Heading\n", "- item one\n",
    "1. first\n",
    "```python\nx = 1\n\ny = 2\n```\n", '{"a": [1, 2],\n "b": "}"}\n', "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "Document [3](Title: Rocky) The film won.\n", "<doc id='1'>\n", "</doc>\n", "Alice: hello there\n",
    "Bob: yes, why?\n",
    "def f(x):\n    return x\n", "a\tb\n", "日本語の文。次の文。", "[", "{", '"', "```", "  ",
    "word " * 40, "\r\n", "[1] x\n",
])  # fmt: skip
DOCUMENTS = st.lists(PIECES | st.text(max_size=20), max_size=25).map("".join)


def kinds(document: str) -> list[tuple[str, str]]:
    return [(unit.kind, document[unit.start : unit.end].strip()) for unit in blocks(document)]


def parts(document: str) -> list[str]:
    return [document[unit.start : unit.end] for block in blocks(document) for unit in sentences(document, block)]


@given(DOCUMENTS)
def test_units_cover_the_document_in_order(document: str) -> None:
    found = blocks(document)
    assert "".join(document[unit.start : unit.end] for unit in found) == (document if document.strip() else "")
    assert "".join(parts(document)) == (document if found else "")
    for block in found:
        divided = sentences(document, block)
        assert (divided[0].start, divided[-1].end) == (block.start, block.end)
        assert all(document[unit.start : unit.end].strip() for unit in divided)


def test_each_kind_is_found() -> None:
    document = (
        "# Title\n\nProse here. More of it.\n\n- one item\n- another\n  goes on\n\n```\ncode = 1\n\nmore\n```\n"
        '{"a": 1,\n "b": []}\n| a | b |\n| 1 | 2 |\n<doc>\nInside.\n</doc>\n'
        "Document [2](Title: Rocky) It won an award for the best picture of the year nineteen hundred seventy-six.\n"
    )
    assert kinds(document) == [
        ("heading", "# Title"),
        ("prose", "Prose here. More of it."),
        ("item", "- one item"),
        ("item", "- another\n  goes on"),
        ("code", "```\ncode = 1\n\nmore\n```"),
        ("json", '{"a": 1,\n "b": []}'),
        ("table", "| a | b |\n| 1 | 2 |"),
        ("frame", "<doc>"),
        ("prose", "Inside."),
        ("frame", "</doc>"),
        (
            "passage",
            "Document [2](Title: Rocky) It won an award for the best picture of the year nineteen hundred seventy-six.",
        ),
    ]


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    return x + 1\n",
        "for (int i = 0; i < n; i++) {\n  sum += a[i];\n}\n",
        "import os\nfrom sys import argv\n\n    indented = True\n",
        "SELECT name FROM users\nWHERE id = 3\n",
        "    four spaces\n    make code\n",
        "~~~\nanything\n~~~\n",
        "``` js\nnever closed\n",
    ],
)
def test_code_is_one_unit(code: str) -> None:
    document = f"Some words before it.\n\n{code}"
    assert [kind for kind, _ in kinds(document)] == ["prose", "code"]


def test_a_transcript_is_turns() -> None:
    document = "Alice: Shall we begin?\nBob: Yes.\nand so on.\nAlice: Good. Then we do.\nBob (10:02): Fine.\n"
    assert kinds(document) == [
        ("turn", "Alice: Shall we begin?"),
        ("turn", "Bob: Yes.\nand so on."),
        ("turn", "Alice: Good. Then we do."),
        ("turn", "Bob (10:02): Fine."),
    ]


def test_facts_with_keys_are_no_transcript() -> None:
    assert {kind for kind, _ in kinds("Name: Rocky\nYear: 1976\nDirector: Avildsen\nLength: two hours\n")} == {"prose"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It won. It lost! Did it? Yes.", ["It won. ", "It lost! ", "Did it? ", "Yes."]),
        ("Mr. Smith met Dr. Brown. They spoke.", ["Mr. Smith met Dr. Brown. ", "They spoke."]),
        ("In the U.S. Army it is so. Then not.", ["In the U.S. Army it is so. ", "Then not."]),
        ("It cost 3.5 dollars e.g. in shops. Cheap.", ["It cost 3.5 dollars e.g. in shops. ", "Cheap."]),
        ('He said "no." Then left.', ['He said "no." ', "Then left."]),
        ("最初の文。次の文。", ["最初の文。", "次の文。"]),
        ("Document [1](Title: X) One. Two.", ["Document [1](Title: X) ", "One. ", "Two."]),
        ("Width: 3\nHeight: 400 and more\nDepth: 2", ["Width: 3\n", "Height: 400 and more\n", "Depth: 2"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert parts(text) == expected


def test_a_list_item_is_not_divided() -> None:
    assert parts("- One. Two.\n- Three. Four.\n") == ["- One. Two.\n", "- Three. Four.\n"]


@pytest.mark.parametrize(
    "text",
    [
        "# comment one\n# comment two\ndef f():\n    return 1\n\n# another\nx = f()\ny = 2\n",
        "   1\tThe first line.\n   2\tThe second line.\n   3\tMore.\n",
        '"""\nWhat this module does.\nAnd how, at length, in words.\n"""\n\nimport os\nx = 1\n',
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-It was so.\n+It is so.\n",
    ],
)
def test_what_is_code_with_its_comments(text: str) -> None:
    assert is_code(text)
    assert not is_code("An ordinary paragraph of words. It says nothing about code.\n\n" * 5)


@pytest.mark.parametrize(
    "evil",
    ["[\n", '{"a":\n', '"', '\\"', "# h\ntext\n", "a, b, c\n", "x=1\n y\n", "A: b\n", "- a\n\n   b\n", "<a ", "def (",
     " ", ". ", "A. ", "if ", "    x\n\n", "Document [1]\n", "[1] x\n", "[a]\n", "|\n", "\t\n", "a|b|c\n\n"],
)  # fmt: skip
def test_no_text_takes_more_than_linear_time(evil: str) -> None:
    def cost(size: int) -> float:
        document = evil * (size // len(evil))
        started = process_time()
        for block in blocks(document):
            sentences(document, block)
        return process_time() - started

    assert cost(200_000) < 3.0
