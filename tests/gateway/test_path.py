"""Which stages there are, in which order, for what is configured."""

from pathlib import Path

import pytest

from tests.gateway.cached import MEMORY, Cached

LIMIT = "{preset: none, policies: {l: {kind: rate_limit, on_error: block, options: {requests_per_minute: 9}}}}"
PLAIN = ["auth", "read", "input_guards", "route", "upstream", "respond"]
CACHED = {"cache_lookup": "route", "cache_store": "respond"}


def stages(made: Cached) -> list[str]:
    return [stage.name for stage in made.gateway._pipeline._stages]


@pytest.mark.parametrize(
    ("rest", "more"),
    [
        ({"cache": ""}, {}),
        ({"cache": MEMORY}, CACHED),
        ({"cache": "", "guardrails": LIMIT}, {"limits": "input_guards"}),
        (
            {"cache": MEMORY, "guardrails": "{preset: balanced}"},
            CACHED | {"output_guards": "cache_store"},
        ),
        ({"cache": "", "more": "compress: {kind: extractive, min_tokens: 100}\n"}, {"compress": "upstream"}),
        ({"cache": "", "more": "budgets: {limits: {b: {usd: 1}}}\n"}, {"budget": "upstream"}),
    ],
    ids=["plain", "cache", "limits", "guards", "compress", "budget"],
)
def test_the_stages(tmp_path: Path, rest: dict[str, str], more: dict[str, str]) -> None:
    found = stages(Cached(tmp_path, **rest))  # type: ignore[arg-type]
    assert [name for name in found if name not in more] == PLAIN
    assert {name: found[found.index(name) + 1] for name in more} == more


async def test_a_cached_answer_passes_models_and_output_guards_by(tmp_path: Path) -> None:
    async with Cached(tmp_path, guardrails="{preset: balanced}") as made:
        await made.ask()
        hit = await made.ask()
    names = [stage.name for stage in hit.record.stages]
    assert names == ["auth", "read", "input_guards", "cache_lookup", "respond"]


async def test_input_guards_judge_requests_whose_answers_are_cached(tmp_path: Path) -> None:
    block = "{preset: none, policies: {s: {kind: secrets, direction: input, on_error: block, actions: {'*': block}}}}"
    secret = "my key is ghp_" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"
    async with Cached(tmp_path, guardrails=block) as made:
        for _ in range(2):
            assert (await made.ask(secret)).record.state == "blocked"
        assert (made.kept, made.calls) == (0, 0)


async def test_rate_limits_count_hits(tmp_path: Path) -> None:
    limit = LIMIT.replace("minute: 9", "minute: 3")
    async with Cached(tmp_path, guardrails=limit) as made:
        states = [(await made.ask()).record.state for _ in range(4)]
    assert states == ["ok", "ok", "ok", "blocked"]
    assert made.calls == 1
