from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from scipy.stats import chisquare

from llmctl.routing.experiment import (
    AbOptions,
    ArmOptions,
    CanaryOptions,
    Shadow,
    ShadowOptions,
    Split,
    experiment,
    read_reason,
)
from llmctl.routing.features import Features, Tools

KINDS: dict[str, type[AbOptions] | type[CanaryOptions] | type[ShadowOptions]] = {
    "ab": AbOptions,
    "canary": CanaryOptions,
    "shadow": ShadowOptions,
}
TOOLS = Tools(embed=lambda text: np.zeros(256, np.float32), language=lambda text: "")
RNG = Random(0)


def asked(payload: dict[str, Any] | None = None, **fields: Any) -> Features:
    return Features({"messages": []} | (payload or {}), "chat", TOOLS, tokens=lambda: 1, **fields)


def decoded(options: dict[str, Any]) -> AbOptions | CanaryOptions | ShadowOptions:
    return KINDS[options["kind"]].model_validate(options)


def split(**options: Any) -> Split:
    made = experiment(decoded(options))
    assert isinstance(made, Split)
    return made


def ab(weights: dict[str, float], **options: Any) -> Split:
    arms = {name: {"model": f"m-{name}", "weight": weight} for name, weight in weights.items()}
    return split(**({"kind": "ab", "name": "tone", "arms": arms} | options))


def canary(percent: float, **options: Any) -> Split:
    return split(**({"kind": "canary", "name": "next", "model": "new", "percent": percent} | options))


def arm(made: Split, subject: str) -> str:
    return made.assign(asked(key=subject), RNG).arm


def test_places_are_the_same_in_every_process_and_release() -> None:
    places = {subject: ab({"a": 1, "b": 1}).place(subject) for subject in ("k1", "k2", "Zoë", "\ud800")}
    assert places == {
        "k1": 0.7066924710867575,
        "k2": 0.9944806939895726,
        "Zoë": 0.054421385250427945,
        "\ud800": 0.19884346774324524,
    }
    assert [arm(ab({"a": 1, "b": 2, "c": 1}), f"key{i}") for i in range(12)] == list("acbbcaccbbab")
    made = canary(10).assign(asked(key="key44"), RNG)
    assert (made.arm, made.model, made.propensity, made.reason) == ("canary", "new", 0.1, "10% by key, slot 19708d")


WEIGHTS = st.dictionaries(st.sampled_from("abcdef"), st.floats(1e-3, 1e3), min_size=2)


@given(WEIGHTS, st.text(min_size=1), st.text(min_size=1))
def test_assignment_is_sticky_and_says_its_share(weights: dict[str, float], salt: str, subject: str) -> None:
    made = ab(weights, salt=salt).assign(asked(key=subject), Random(1))
    assert made == ab(weights, salt=salt).assign(asked(key=subject, tenant="other"), Random(2))
    assert made.model == f"m-{made.arm}"
    assert made.sticky
    assert made.propensity == pytest.approx(weights[made.arm] / sum(weights.values()))


@pytest.mark.parametrize("weights", [{"a": 1, "b": 1}, {"a": 70, "b": 20, "c": 10}, {"a": 1, "b": 99}])
@pytest.mark.parametrize("salt", ["tone", "tone-2"])
def test_assignment_follows_the_weights(weights: dict[str, float], salt: str) -> None:
    made = ab(weights, salt=salt)
    found = [arm(made, f"key{i}") for i in range(50_000)]
    expected = [50_000 * weight / sum(weights.values()) for weight in weights.values()]
    assert chisquare([found.count(name) for name in weights], expected).pvalue > 0.001


def test_places_are_uniform_and_independent_between_salts() -> None:
    one, two = (ab({"a": 1, "b": 1}, salt=salt) for salt in ("one", "two"))
    places = np.array([[made.place(f"user-{i}") for made in (one, two)] for i in range(50_000)])
    assert chisquare(np.histogram(places[:, 0], 100, (0, 1))[0]).pvalue > 0.001
    assert chisquare(np.histogram2d(places[:, 0], places[:, 1], 8, ((0, 1), (0, 1)))[0].ravel()).pvalue > 0.001


@given(st.floats(0, 100), st.floats(0, 100), st.text(min_size=1))
def test_raising_the_percentage_takes_nobody_out_of_the_canary(one: float, two: float, subject: str) -> None:
    low, high = sorted((one, two))
    assert arm(canary(low), subject) != "canary" or arm(canary(high), subject) == "canary"


@given(WEIGHTS, st.floats(1e-3, 1e3), st.text(min_size=1))
def test_a_new_arm_at_the_end_takes_from_the_others_and_adds_to_none_before_them(
    weights: dict[str, float], weight: float, subject: str
) -> None:
    names = list(weights)
    before, after = arm(ab(weights), subject), arm(ab(weights | {"new": weight}), subject)
    assert after == "new" or names.index(after) >= names.index(before)


def test_the_ends_of_the_percentage() -> None:
    assert {arm(canary(0), f"k{i}") for i in range(500)} == {"stable"}
    assert {arm(canary(100), f"k{i}") for i in range(500)} == {"canary"}


def test_a_canary_leaves_the_rest_to_the_route() -> None:
    made = {arm(canary(50), f"k{i}"): canary(50).assign(asked(key=f"k{i}"), RNG) for i in range(20)}
    assert (made["canary"].model, made["stable"].model) == ("new", None)
    assert canary(25).models == ("new",)
    assert canary(25).assign(asked(key="k0"), RNG).propensity in (0.25, 0.75)


def test_an_arm_without_a_model_is_the_routes_own_choice() -> None:
    made = split(kind="ab", name="x", arms={"now": {}, "then": {"model": "m", "weight": 3}})
    assert made.models == ("m",)
    assert {made.assign(asked(key=f"k{i}"), RNG).model for i in range(50)} == {"m", None}


@pytest.mark.parametrize(
    ("subject", "same", "other"),
    [
        ("key", asked(key="v", tenant="t"), asked(key="w", tenant="t")),
        ("tenant", asked(tenant="v", key="1"), asked(tenant="w", key="1")),
        ("user", asked({"user": "v"}), asked({"user": "w"})),
        ("header:X-Session", asked(headers={b"x-session": b"v"}), asked(headers={b"x-session": b"w"})),
        ("metadata.chat", asked({"metadata": {"chat": "v"}}), asked({"metadata": {"chat": "w"}})),
    ],
)
def test_what_is_kept_together(subject: str, same: Features, other: Features) -> None:
    made = ab({"a": 1, "b": 1}, subject=subject)
    slots = [read_reason(made.assign(features, RNG).reason) for features in (same, other)]
    assert all(slot is not None and not slot.unsticky for slot in slots)
    assert slots[0] is not None
    assert slots[0].slot == f"{int(made.place('v') * 2**24):06x}"
    assert slots[1] is not None
    assert slots[1].slot != slots[0].slot


@pytest.mark.parametrize("subject", ["key", "tenant", "user", "header:x-s", "metadata.m"])
@pytest.mark.parametrize("payload", [{}, {"user": "", "metadata": {"m": ""}}, {"user": 3, "metadata": {"m": ["x"]}}])
def test_without_a_subject_it_is_drawn_and_says_so(subject: str, payload: dict[str, Any]) -> None:
    made, rng = ab({"a": 3, "b": 1}, subject=subject), Random(7)
    found = [made.assign(asked(payload), rng) for _ in range(4_000)]
    assert not any(one.sticky for one in found)
    assert {one.reason for one in found} == {f"75% unsticky: no {subject}", f"25% unsticky: no {subject}"}
    assert chisquare([sum(one.arm == name for one in found) for name in "ab"], [3_000, 1_000]).pvalue > 0.001


def test_by_request_every_request_is_drawn() -> None:
    made, rng = ab({"a": 1, "b": 1}, subject="request"), Random(7)
    found = [made.assign(asked(key="k"), rng) for _ in range(100)]
    assert {one.arm for one in found} == {"a", "b"}
    assert {one.reason for one in found} == {"50% drawn by request"}


@given(WEIGHTS, st.text(), st.sampled_from(["key", "metadata.x, slot", "request"]))
def test_what_the_reason_says_can_be_read_back(weights: dict[str, float], subject: str, kind: str) -> None:
    made = ab(weights, subject=kind).assign(asked({"metadata": {"x, slot": subject}}, key=subject), Random(3))
    read = read_reason(f"the rule for search; {made.reason}; tier simple")
    assert read is not None
    assert read.share == pytest.approx(made.propensity, rel=1e-9)
    assert made.sticky is (read.slot is not None)
    assert read.unsticky is (kind != "request" and not subject)


def test_other_reasons_say_nothing_of_an_assignment() -> None:
    assert [read_reason(text) for text in ("", "draw", "90% of the weights", "50% by hand, slot x")] == [None] * 4


def shadow(**options: Any) -> Shadow:
    made = experiment(ShadowOptions(name="s", model="m", **options))
    assert isinstance(made, Shadow)
    return made


@given(st.floats(0, 1), st.integers(1, 5), st.integers(0, 9), st.integers(0, 2**32))
def test_mirroring_keeps_within_its_bound(share: float, most: int, in_flight: int, seed: int) -> None:
    drawn = Random(seed).random() < share
    decided = shadow(share=share, max_in_flight=most).decide(in_flight, Random(seed))
    assert decided == (("mirror" if in_flight < most else "full") if drawn else "pass")


def test_mirroring_follows_the_share() -> None:
    rng, made = Random(5), shadow(share=0.1)
    count = sum(made.decide(0, rng) == "mirror" for _ in range(20_000))
    assert chisquare([count, 20_000 - count], [2_000, 18_000]).pvalue > 0.001
    assert made.models == ("m",)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "ab"},
        {"kind": "ab", "name": "x"},
        {"kind": "ab", "name": "x", "arms": {"a": {}}},
        {"kind": "ab", "name": "x", "arms": {"a": {}, "b": {"weight": 0}}},
        {"kind": "ab", "name": "x", "arms": {"a": {}, "b": {"weight": float("inf")}}},
        {"kind": "ab", "name": "x", "arms": {"a": {}, "b": {"share": 1}}},
        {"kind": "ab", "name": "x", "subject": "ip", "arms": {"a": {}, "b": {}}},
        {"kind": "ab", "name": "x", "subject": "header:", "arms": {"a": {}, "b": {}}},
        {"kind": "ab", "name": "x", "subject": "metadata.", "arms": {"a": {}, "b": {}}},
        {"kind": "ab", "name": "x", "salt": "", "arms": {"a": {}, "b": {}}},
        {"kind": "canary", "name": "x", "model": "m", "percent": 101},
        {"kind": "canary", "name": "x", "model": "m", "percent": float("nan")},
        {"kind": "canary", "name": "x", "percent": 5},
        {"kind": "canary", "model": "m", "percent": 5},
        {"kind": "shadow", "name": "x", "model": "m", "share": 1.5},
        {"kind": "shadow", "name": "x", "model": "m", "max_in_flight": 0},
    ],
)
def test_mistakes_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        decoded(options)


@pytest.mark.parametrize("model", [AbOptions, ArmOptions, CanaryOptions, ShadowOptions])
def test_options_are_described_strict_and_frozen(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []
    assert model.model_config.get("extra") == "forbid"
    assert model.model_config.get("frozen") is True
