import msgspec
import pytest

from llmctl.errors import InvalidRequest
from llmctl.server.fields import checked, need


class Thing(msgspec.Struct):
    name: str
    sizes: list[int] = []


DECODER = msgspec.json.Decoder(Thing)


def test_the_view_and_the_whole_object() -> None:
    thing, source = checked(DECODER, b'{"name": "a", "more": 1}')
    assert thing == Thing("a")
    assert source == {"name": "a", "more": 1}


@pytest.mark.parametrize(
    ("body", "param"),
    [(b"{}", "name"), (b'{"name": 1}', "name"), (b'{"name": "a", "sizes": [1, "b"]}', "sizes[1]"), (b"{", None)],
)
def test_the_field_is_named(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked(DECODER, body)
    assert (caught.value.param or "").replace("...", "1") == (param or "")
    assert caught.value.http_status == 400


def test_needed_fields() -> None:
    assert need({"a": "x"}, "a", str, "here") == "x"
    with pytest.raises(InvalidRequest, match="a string, and is missing") as caught:
        need({}, "a", str, "here")
    assert caught.value.param == "here.a"
    with pytest.raises(InvalidRequest, match="an object, and is of type int"):
        need({"a": 1}, "a", dict, "here")
