import msgspec
import pytest

from llmctl.errors import UpstreamProtocolError, UpstreamUnsupported
from llmctl.providers.content import DataUrl, Head, arguments, completion, data_url, delta, parts, read, text_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/png;base64,QUJD", DataUrl("image/png", "QUJD")),
        ("data:image/png;charset=utf-8;base64,QUJD", DataUrl("image/png", "QUJD")),
        ("data:;base64,QUJD", DataUrl("application/octet-stream", "QUJD")),
        ("data:text/plain,hello", None),
        ("data:image/png;base64", None),
        ("https://example.com/a.png", None),
    ],
)
def test_data_urls(url: str, expected: DataUrl | None) -> None:
    assert data_url(url) == expected


def test_content_in_either_form_is_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "u"}}
    assert parts(None) == parts("") == parts([]) == []
    assert parts("a") == [{"type": "text", "text": "a"}]
    assert parts([{"type": "text", "text": ""}, image]) == [image]
    assert text_of([{"type": "text", "text": "a"}, image, {"type": "text", "text": "b"}]) == "ab"


@pytest.mark.parametrize("text", ["{", "[1]", '"a"', "null"])
def test_arguments_that_are_no_object_are_refused(text: str) -> None:
    with pytest.raises(UpstreamUnsupported, match=r"'c1'.*JSON object") as caught:
        arguments("p", {"id": "c1", "function": {"name": "f", "arguments": text}})
    assert caught.value.param == "messages"


def test_arguments_may_be_absent() -> None:
    assert arguments("p", {"id": "c1", "function": {"name": "f", "arguments": ""}}) == {}
    assert arguments("p", {"id": "c1", "function": {"name": "f", "arguments": '{"a":1}'}}) == {"a": 1}


def test_raw_and_typed_view_agree() -> None:
    chunk = delta(Head("i", "m"), 1, {"content": "x"}, "stop", native_finish_reason="END")
    choice = chunk.body.choices[0]
    assert (choice.index, choice.delta and choice.delta.content, choice.finish_reason) == (1, "x", "stop")
    assert msgspec.json.decode(chunk.raw)["choices"][0]["native_finish_reason"] == "END"
    answer = completion(Head("i", "m"), [{"index": 0, "message": {"content": "x"}}], None)
    assert b"usage" not in answer.raw
    assert answer.usage.source == "none"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff"])
def test_garbage_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(UpstreamProtocolError, match="provider p"):
        read("p", msgspec.json.Decoder(dict[str, int]), data)
