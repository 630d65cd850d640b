import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.cache.entry import HEAD, Codec, Entry, Unreadable
from llmctl.model.usage import Usage


def entry(**more: Any) -> Entry:
    given = {"key": b"k" * 16, "partition": b"p" * 16, "tenant": "acme", "raw": b'{"id":"1"}', "model": "m"}
    return Entry(**{**given, "created": 1000.0, "ttl": 60.0, **more})


entries = st.builds(
    Entry,
    key=st.binary(min_size=16, max_size=16),
    partition=st.binary(min_size=16, max_size=16),
    tenant=st.text(max_size=20),
    raw=st.binary(max_size=500),
    model=st.text(max_size=20),
    created=st.floats(0, 1e10),
    ttl=st.floats(0, 1e7),
    stale=st.floats(0, 1e7),
    usage=st.builds(Usage, st.integers(0, 10**6)),
    text=st.text(max_size=100),
    vector=st.binary(max_size=64),
)


@given(entries, st.binary(max_size=100))
def test_there_and_back(one: Entry, secret: bytes) -> None:
    codec = Codec(secret)
    assert codec.decode(codec.encode(one), one.key, one.tenant) == one


@given(entries, st.data())
def test_any_changed_byte_is_noticed(one: Entry, data: st.DataObject) -> None:
    codec = Codec()
    written = bytearray(codec.encode(one))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Unreadable):
        codec.decode(bytes(written), one.key, one.tenant)


@given(st.binary(max_size=200))
def test_whatever_stands_there_is_no_entry(data: bytes) -> None:
    with pytest.raises(Unreadable):
        Codec().decode(data, b"k" * 16, "acme")
    with pytest.raises(Unreadable):
        Codec().decode(b"LCE\x01" + data, b"k" * 16, "acme")


@given(entries, st.text(max_size=20))
def test_another_tenant_is_refused(one: Entry, tenant: str) -> None:
    codec = Codec()
    if tenant != one.tenant:
        with pytest.raises(Unreadable) as raised:
            codec.decode(codec.encode(one), one.key, tenant)
        assert raised.value.fault == "tenant"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (pickle.dumps({"a": 1}), "foreign"),
        (b"", "foreign"),
        (b"LCE\x02" + b"x" * 40, "version"),
        (b"LCE", "version"),
        (Codec().encode(entry())[:-1], "corrupted"),
        (Codec().encode(entry(key=b"z" * 16)), "foreign"),
        (Codec(b"secret").encode(entry()), "corrupted"),
    ],
)
def test_faults(data: bytes, fault: str) -> None:
    with pytest.raises(Unreadable) as raised:
        Codec().decode(data, b"k" * 16, "acme")
    assert raised.value.fault == fault


def test_a_well_formed_body_of_another_shape_is_refused() -> None:
    codec = Codec()
    body = msgspec.msgpack.encode({"key": 1})
    with pytest.raises(Unreadable) as raised:
        codec.decode(b"LCE\x01" + codec._sum(body) + body, b"k" * 16, "acme")
    assert raised.value.fault == "corrupted"
    assert HEAD == 20


def test_age() -> None:
    one = entry(ttl=60.0, stale=30.0)
    assert [one.state(1000 + age) for age in (-5, 0, 59.9, 60, 89.9, 90)] == [
        "fresh", "fresh", "fresh", "stale", "stale", "dead",
    ]  # fmt: skip
    assert one.age(990) == 0
    assert entry(ttl=0.0).state(1000) == "dead"
