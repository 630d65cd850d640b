"""What `cache` comes to for each name, and what is said of wrong sections."""

import subprocess
import sys
from pathlib import Path

import pytest

from llmctl.errors import ConfigError
from llmctl.gateway.build import check
from llmctl.gateway.build_cache import CacheMaker, Caching
from llmctl.gateway.build_routes import RouteMaker
from llmctl.gateway.kept import Kept
from llmctl.gateway.leases import Leases
from llmctl.routing.base import ModelFacts
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedTransport, Remember, surroundings
from tests.gateway.cached import Cached
from tests.gateway.routed import MODELS, START

ROUTES = "routes: {r: {kind: fixed, model: a, fallbacks: [b]}, s: {kind: fixed, model: b%s}}\n"
SPLIT = ", experiment: {kind: ab, name: x, subject: user, arms: {one: {weight: 1}, two: {weight: 1, model: c}}}"
SHADOW = ", experiment: {kind: shadow, name: x, model: c}"


def made(folder: Path, cache: str, *, routes: str = ROUTES % "", start: str = START, models: str = MODELS) -> Caching:
    around = surroundings(PlayedTransport(lambda request: AssertionError()), Remember())
    config = loaded(f"{start}{models}{routes}cache: {cache}\n", folder)
    trouble: list[str] = []
    facts = {name: ModelFacts(None, None, None) for name in config.config.models}
    found = RouteMaker(config, facts, Kept(), trouble).routes()
    caching = CacheMaker(config, found, Leases(), around, trouble).caching()
    assert not trouble
    return caching


def test_every_name_has_its_terms(tmp_path: Path) -> None:
    caching = made(tmp_path, "{dir: null, ttl: 9, routes: {r: {stale_if_error: 4}, a: {enabled: false}}}")
    assert sorted(caching.terms) == ["b", "c", "r", "s"]
    terms = caching.terms["r"]
    assert (terms.models, terms.ttl, terms.if_error, terms.revalidate, terms.stale) == (("a", "b"), 9, 4, 0, 4)
    assert (caching.terms["s"].models, caching.terms["s"].stale) == (("b",), 0)


def test_off_but_for_one(tmp_path: Path) -> None:
    assert sorted(made(tmp_path, "{dir: null, enabled: false, routes: {r: {enabled: true}}}").terms) == ["r"]


@pytest.mark.parametrize("also", ["", "{dir: null, routes: {r: {ttl: 9}}}"])
def test_a_route_with_arms_is_not_cached(tmp_path: Path, also: str) -> None:
    caching = made(tmp_path, also or "{dir: null}", routes=ROUTES % SPLIT)
    assert "s" not in caching.terms
    assert "r" in caching.terms


def test_a_route_with_a_shadow_is(tmp_path: Path) -> None:
    assert "s" in made(tmp_path, "{dir: null}", routes=ROUTES % SHADOW).terms


async def test_no_arm_sees_anothers_answers(tmp_path: Path) -> None:
    models = MODELS.replace("{a:", "{n: {provider: up}, a:") + ROUTES % SPLIT
    async with Cached(tmp_path, models=models) as gateway:
        for _ in range(3):
            assert (await gateway.ask(model="s")).kind is None
        assert gateway.calls == 3


def digests(folder: Path, **rest: str) -> dict[str, str]:
    return {name: terms.digest for name, terms in made(folder, "{dir: null}", **rest).terms.items()}


@pytest.mark.parametrize(
    ("rest", "others"),
    [
        ({"start": START.replace("{preset: none}", "{preset: strict}")}, "abcrs"),
        ({"start": START.replace("kind: openai", "kind: openai, base_url: 'http://10.0.0.1/v1'")}, "abcrs"),
        ({"models": MODELS.replace("b: {provider: up}", "b: {provider: up, model: other}")}, "brs"),
        ({"routes": ROUTES % ", timeout: 9"}, "s"),
        ({"routes": ROUTES % "" + "compress: {kind: extractive, min_tokens: 100}\n"}, "abcrs"),
        ({"routes": ROUTES % "" + "server: {port: 1234}\n"}, ""),
    ],
    ids=["guardrails", "provider", "model", "route", "compress", "server"],
)
def test_what_makes_answers_others(tmp_path: Path, rest: dict[str, str], others: str) -> None:
    before, after = digests(tmp_path), digests(tmp_path, **rest)
    assert "".join(sorted(name for name in before if before[name] != after[name])) == others


@pytest.mark.parametrize(
    ("cache", "line", "key", "says"),
    [
        ("{dir: null, routes: {nobody: {ttl: 3}}}", 7, "cache.routes.nobody", "a, b, c, r, s"),
        ("{dir: null, routes: {s: {ttl: 3}}}", 7, "cache.routes.s", "experiment"),
        ("{dir: null, semantic: {threshold: 0.9, compare: {judge: x}}}", 7, "cache.semantic.compare.judge", "a, b, c"),
        (
            "{dir: null, routes: {r: {semantic: {threshold: 0.9, compare: {judge: x}}}}}",
            7,
            "cache.routes.r.semantic.compare.judge",
            "no model 'x'",
        ),
        ("{semantic: {threshold: 0.9, embedder: {kind: magic}}}", 7, "cache.semantic.embedder.kind", "static"),
        ("{semantic: {threshold: 0.9, embedder: {kind: static, odd: 1}}}", 7, "cache.semantic.embedder.odd", "unknown"),
        (
            "{semantic: {threshold: 0.9, embedder: {kind: onnx, path: /nowhere}}}",
            7,
            "cache.semantic.embedder",
            "nowhere",
        ),
        ("{semantic: {}}", 7, "cache.semantic", "max_error"),
        ("{semantic: {max_error: 0.1, threshold: 0.9}}", 7, "cache.semantic", "one of them"),
        ("{ttl: 0}", 7, "cache.ttl", ""),
        ("{secret: short}", 7, "cache.secret", ""),
    ],
    ids=range(11),
)
def test_what_is_wrong_is_said_where_it_stands(tmp_path: Path, cache: str, line: int, key: str, says: str) -> None:
    text = f"{START}{MODELS}{ROUTES % SPLIT}cache: {cache}\n"
    with pytest.raises(ConfigError) as error:
        check(loaded(text, tmp_path))
    [found] = error.value.findings
    assert f"gateway.yaml:{line}: {key}" in found
    assert says in found


def test_nothing_of_it_is_imported_where_it_is_not_configured(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(START + MODELS)
    code = (
        "import sys; from pathlib import Path; from llmctl.config.load import load; "
        "from llmctl.config.secrets import Environment; from llmctl.gateway.build import check; "
        f"check(load(Path({str(tmp_path / 'g.yaml')!r}), Environment({{}}))); "
        "print([name for name in ('usearch', 'onnxruntime', 'diskcache') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
