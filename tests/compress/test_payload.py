"""What of a request is compressed, and what never is."""

import copy
import json
from textwrap import indent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.compress.extract import estimate
from llmctl.compress.options import ExtractiveOptions, MinifyOptions
from llmctl.compress.payload import Applied, Extraction, compress_payload, locate, volume
from tests.compress.test_extract import PASSAGES

QUESTION = "Which film won the Oscar for best picture?"
LONG = "\n\n".join(
    f"The {thing} is described in this paragraph. It says what the {thing} does and how it came about. "
    f"Nobody ever thought the {thing} would be so long in the making."
    for thing in (
        "bridge",
        "castle",
        "garden",
        "harbour",
        "library",
        "market",
        "museum",
        "palace",
        "station",
        "theatre",
    )
)
CODE = "```python\n" + "".join(f"def f{n}(x):\n    return x + {n}\n\n" for n in range(60)) + "```"


def apply(*messages: Any, options: dict[str, Any] | None = None, stable: int = 0, **payload: Any) -> Applied:
    made = ExtractiveOptions.model_validate({"kind": "extractive", "min_tokens": 50, **(options or {})})
    given_ = {"model": "m", "messages": list(messages), **payload}
    before = copy.deepcopy(given_)
    found = compress_payload(given_, made, shorten=Extraction(made), stable=stable)
    assert given_ == before
    return found


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def tool(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "c1", "content": content, **more}


def contents(found: Applied) -> list[Any]:
    return [message["content"] for message in found.payload["messages"]]


@pytest.mark.parametrize(
    "text",
    [
        f"Answer from the documents.\n\n{PASSAGES}\n\nQuestion: {QUESTION}",
        f"{QUESTION}\n\n{PASSAGES}",
        f"<documents>\n{PASSAGES}\n</documents>\n{QUESTION}",
        f"Context:\n{PASSAGES}\n\nQuestion: {QUESTION}\nAnswer:",
        f'{QUESTION}\n"""\n{PASSAGES}\n"""',
    ],
)
def test_documents_in_a_user_message_are_compressed_for_its_question(text: str) -> None:
    found = apply(user(text))
    (said,) = contents(found)
    assert "Rocky won the Oscar" in said
    assert "[…]" in said
    assert QUESTION in said
    outside = text.replace(PASSAGES, "")
    assert all(line in said for line in outside.split("\n"))
    (change,) = found.changes
    assert (change.message, change.how) == (0, "extractive")
    assert found.after < 0.5 * found.before
    assert change.after <= 0.34 * change.before


def test_text_parts_beside_a_question_are_documents() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    found = apply(user([{"type": "text", "text": PASSAGES}, image, {"type": "text", "text": QUESTION}]))
    parts = contents(found)[0]
    assert "Rocky won" in parts[0]["text"]
    assert "Piglet" not in parts[0]["text"]
    assert parts[1:] == [image, {"type": "text", "text": QUESTION}]


def test_tool_results_are_compressed_for_the_question_before_them() -> None:
    found = apply(user(QUESTION), {"role": "assistant", "tool_calls": []}, tool(PASSAGES), user("Thanks. And now?"))
    assert [change.source for change in found.changes] == ["tool"]
    assert "Rocky won" in contents_of(found, 2)
    assert "Piglet" not in contents_of(found, 2)


def contents_of(found: Applied, at: int) -> str:
    said: str = found.payload["messages"][at]["content"]
    return said


def test_json_only_loses_white_space() -> None:
    raw = json.dumps({"results": [{"title": "Tea", "text": "Tea  is  grown in Assam. " * 40}]}, indent=2)
    found = apply(user(QUESTION), tool(raw))
    assert json.loads(contents_of(found, 1)) == json.loads(raw)
    assert [(change.how, change.source) for change in found.changes] == [("minify", "tool")]


DOCUMENTS = f"{PASSAGES}\n\n{QUESTION}"
DOCSTRING = f'def f():\n    """\n{indent(PASSAGES, "    ")}\n    """\n    return 1\n\ndef g():\n    return 2'

UNTOUCHED = {
    "system": [{"role": "system", "content": f"{PASSAGES}\n\n{QUESTION}"}, user("Hello")],
    "developer": [{"role": "developer", "content": f"{PASSAGES}\n\n{QUESTION}"}, user("Hello")],
    "assistant": [user("Hello"), {"role": "assistant", "content": f"{PASSAGES}\n\n{QUESTION}"}, user("Go on.")],
    "earlier user messages": [user(DOCUMENTS), {"role": "assistant", "content": "Rocky"}, user("Why?")],
    "code": [user("What does f3 return?"), tool(CODE)],
    "code in a user message": [user(f"What does f3 return?\n\n{CODE}")],
    "a docstring": [user(f"{DOCSTRING}\n\nWhat is said of tea?")],
    "a module's docstring": [user(f'"""\n{PASSAGES}\n"""\nimport os\nx = 1\ny = 2\n\nWhat is tea?')],
    "short": [user(QUESTION), tool("Rocky won the Oscar. The senate has members.")],
    "no question": [user(PASSAGES)],
    "a question that needs all": [user(f"{LONG}\n\nTranslate the text above to French, the bridge too.")],
    "a question that names nothing": [user("Summarize this, please."), tool(LONG)],
    "examples": [user("Q: one\nA: two\nQ: three\nA: four\n" * 30 + "\n\nQ: What is tea?")],
    "named examples": [user(f"{PASSAGES}\n\n{QUESTION}", name="example_user")],
    "a cached message": [user([{"type": "text", "text": DOCUMENTS, "cache_control": {"type": "ephemeral"}}])],
    "before a cached message": [user(QUESTION), tool(PASSAGES), user("x", cache_control={})],
    "odd messages": ["text", user(None), user(7), tool(None), {"content": PASSAGES}],
}  # fmt: skip


@pytest.mark.parametrize("messages", UNTOUCHED.values(), ids=UNTOUCHED.keys())
def test_what_is_never_compressed(messages: list[Any]) -> None:
    found = apply(*messages)
    assert found.payload["messages"] == messages
    assert found.changes == ()


def test_code_beside_prose_stays_within_a_document() -> None:
    listing = "```\nfrobnicate  --all\n```"
    found = apply(user("What is said about the harbour?"), tool(f"{LONG}\n\n{listing}\n\n{LONG.replace('The', 'Our')}"))
    assert listing in contents_of(found, 1)
    assert "harbour" in contents_of(found, 1)
    assert "palace" not in contents_of(found, 1)


def test_messages_the_caller_says_are_stable_stay() -> None:
    messages = [user(QUESTION), tool(PASSAGES)]
    assert apply(*messages, stable=2).changes == ()
    assert len(apply(*messages, stable=1).changes) == 1


def test_sources_choose_what_is_touched() -> None:
    messages = [user(f"{QUESTION}\n\n{PASSAGES}"), tool(PASSAGES)]
    for source, at in (("retrieved", 0), ("tool", 1)):
        found = apply(*messages, options={"sources": [source]})
        assert [(change.source, change.message) for change in found.changes] == [(source, at)]


def test_without_a_shortener_only_white_space_goes() -> None:
    text = PASSAGES.replace(" is ", "   is  ").replace("\n", "\n\n\n\n")
    options = MinifyOptions(kind="minify")
    found = compress_payload({"messages": [user(QUESTION), tool(text)]}, options)
    assert contents_of(found, 1).split() == text.split()
    assert [change.how for change in found.changes] == ["minify"]
    assert found.after < found.before


def test_a_payload_of_another_kind_is_left_alone() -> None:
    payload = {"model": "m", "prompt": PASSAGES}
    assert compress_payload(payload, MinifyOptions(kind="minify")).payload is payload


MESSAGES = st.lists(
    st.sampled_from([
        user(QUESTION), tool(PASSAGES), user(f"{QUESTION}\n\n{PASSAGES}"), tool(LONG), user("What about the castle?"),
        {"role": "assistant", "content": PASSAGES}, {"role": "system", "content": LONG}, tool('{"a":   1}' * 99),
    ]),
    max_size=7,
)  # fmt: skip


@given(MESSAGES, st.booleans())
def test_what_was_sent_before_is_sent_again(messages: list[Any], history: bool) -> None:
    """A provider's prefix cache sees the same beginning at every turn."""
    sent: list[Any] = []
    for end in range(1, len(messages) + 1):
        now = apply(*messages[:end], options={"history": history}).payload["messages"]
        if not history:
            now = [message for message in now if message["role"] != "user"]
        assert now[: len(sent)] == sent
        sent = now


@given(MESSAGES)
def test_counts_are_those_of_the_changed_texts(messages: list[Any]) -> None:
    found = apply(*messages)
    old = sum(estimate(one["content"]) for one in messages)
    new = sum(estimate(text) for text in contents(found))
    assert abs((old - new) - (found.before - found.after)) <= 3 * len(found.changes)
    assert all(change.after < change.before for change in found.changes)


@given(
    st.text(max_size=300)
    | st.lists(st.sampled_from(["<doc>", "</doc>", '"""', "Context:\n", "Question: ", "x? ", "\n\n", "y. "])).map(
        "".join
    )
)
def test_located_parts_join_to_the_message(text: str) -> None:
    found = locate(text)
    if found is not None:
        assert "".join(found.texts) == text
        assert found.question


@pytest.mark.parametrize(
    ("messages", "history", "expected"),
    [
        ([user("x" * 197)], False, 197),
        ([user("x" * 196)], False, 0),
        ([user("\u00e9" * 50)], False, 50),
        ([user("x" * 300), user("short")], False, 0),
        ([user("x" * 300), user("short")], True, 300),
        ([user("x" * 300), user("short"), tool("y" * 400)], False, 700),
        ([{"role": "system", "content": "x" * 300}, {"role": "assistant", "content": "x" * 300}], True, 0),
        ([user([{"type": "text", "text": "x" * 300}, {"type": "text", "text": "?"}, 3])], False, 300),
        ("no list", False, 0),
    ],
)
def test_the_volume_is_that_of_long_texts_where_one_of_them_may_be_touched(
    messages: Any, history: bool, expected: int
) -> None:
    options = MinifyOptions(kind="minify", min_tokens=50, history=history)
    assert volume({"messages": messages}, options) == expected


@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "tool", "assistant", "system"]), st.integers(0, 60), st.booleans()),
        max_size=6,
    ),
    st.booleans(),
)
def test_nothing_is_changed_where_there_is_no_volume(turns: list[tuple[str, int, bool]], history: bool) -> None:
    options = MinifyOptions(kind="minify", min_tokens=50, history=history)
    messages = [{"role": role, "content": ("\u00e9  \n" if wide else "ab  \n") * size} for role, size, wide in turns]
    payload = {"messages": messages}
    if not volume(payload, options):
        assert compress_payload(payload, options).payload is payload


def test_a_result_is_shortened_for_the_question_before_it() -> None:
    asked: list[str] = []

    def shorten(document: str, query: str) -> str:
        asked.append(query)
        return document[:10]

    options = ExtractiveOptions(kind="extractive", min_tokens=50)
    messages = [tool(LONG), user("Which harbour?"), tool(LONG), tool(LONG), user("Which palace?"), tool(LONG)]
    found = compress_payload({"messages": messages}, options, shorten=shorten)
    assert asked == ["Which harbour?", "Which harbour?", "Which palace?"]
    assert [change.message for change in found.changes] == [2, 3, 5]
