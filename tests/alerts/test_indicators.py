"""The metrics that promises count are there, under these names and labels, on a gateway that runs."""

import re
from collections import defaultdict
from dataclasses import replace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from llmctl.alerts.indicators import BUILD, Sample, level_of, ratio_of
from llmctl.alerts.readings import selector
from llmctl.alerts.rules import rules
from llmctl.alerts.slo import LimitSlo, RatioSlo, Slos, load
from llmctl.config.secrets import Environment
from llmctl.gateway.promises import served_histograms
from llmctl.testing.process import serve
from tests.alerts.conftest import SHIPPED

CONFIG = """
    guardrails: {preset: balanced}
    providers:
      up: {kind: scripted, tokens: 20}
      down: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
    models: {small: {provider: up}, broken: {provider: down}}
    cache: {dir: null, semantic: {max_error: 0.05}}
    prices: {models: {small: {input: 1, output: 1}}}
    records: {dir: records}
"""

Labels = dict[str, set[str]]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Labels]:
    """By metric as scraped, label values by label. A metric without series has no labels."""
    with serve(CONFIG, tmp_path_factory.mktemp("gateway")) as served:
        for model, stream in (("small", False), ("small", True), ("broken", False)):
            message = {"role": "user", "content": f"hello from {model} {stream}"}
            body = {"model": model, "messages": [message], "stream": stream}
            httpx.post(f"{served.url}/v1/chat/completions", json=body, timeout=30)
        text = httpx.get(f"{served.url}/metrics").text
    return series(text)


def series(text: str) -> dict[str, Labels]:
    found: dict[str, Labels] = defaultdict(lambda: defaultdict(set))
    for family in text_string_to_metric_families(text):
        # A counter has its name with _total, a histogram its parts, also before it has series.
        for name in (family.name, f"{family.name}_total") if family.type == "counter" else (family.name,):
            assert found[name] is not None
        for sample in family.samples:
            for label, value in sample.labels.items():
                found[sample.name][label].add(value)
    return found


def shipped() -> Slos:
    return load(SHIPPED, Environment({}), served_histograms())


def selectors(slos: Slos) -> set[tuple[str, str]]:
    """(metric, matchers) of everything rules read that rules do not record."""
    found = set()
    for group in rules(slos, served_histograms())["groups"]:
        for rule in group["rules"]:
            found |= set(re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}", rule["expr"]))
    return {(name, matchers) for name, matchers in found if ":" not in name}


def test_every_metric_and_label_of_the_rules_is_on_a_live_gateway(scraped: dict[str, Labels]) -> None:
    wanted = selectors(shipped())
    assert len({name for name, _ in wanted}) >= 9
    for name, matchers in wanted:
        assert name in scraped, f"/metrics has no {name}"
        for label, how, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', matchers):
            assert label in scraped[name], f"{name} has no label {label}"
            if label in ("le", "status"):
                pattern = value if how == "=~" else re.escape(value)
                assert any(re.fullmatch(pattern, one) for one in scraped[name][label]), (name, label, value)


def test_the_labels_that_promises_are_kept_apart_by_are_there(scraped: dict[str, Labels]) -> None:
    grouped = {
        (name, label)
        for group in rules(shipped(), served_histograms())["groups"]
        for rule in group["rules"]
        for label, name in re.findall(r"by \((\w+)\) \((?:increase\()?(\w+)\{", rule["expr"])
    }
    buckets = (f"{served_histograms().duration.name}_bucket", "le")
    assert grouped == {("llmctl_guard_verdicts_total", "guard"), ("llmctl_cache_error_bound", "route"), buckets}
    assert "pii" in scraped["llmctl_guard_verdicts_total"]["guard"]
    assert scraped["llmctl_cache_error_bound"]["route"] == {"small", "broken"}


def test_the_series_that_rules_are_tested_with_have_a_gateways_labels(scraped: dict[str, Labels]) -> None:
    samples: list[Sample] = []
    for slo in shipped().slos.values():
        one = (
            ratio_of(slo, {}, served_histograms()).samples
            if isinstance(slo, RatioSlo)
            else level_of(slo, {}).samples
            if isinstance(slo, LimitSlo)
            else ()
        )
        samples += one
    assert len(samples) == 10
    for sample in samples:
        if scraped[sample.name]:
            assert set(sample.labels) == set(scraped[sample.name]), sample.name
    assert scraped[BUILD]


def test_match_narrows_every_selector_that_is_read() -> None:
    slos = shipped()
    narrowed = replace(slos, match={"job": "a", "env": "b"})
    assert all(matchers.endswith('job="a", env="b"') for _, matchers in selectors(narrowed))
    assert selector("x", {}) == "x{}"


def test_a_whole_bound_is_found_as_either_prometheus_writes_it() -> None:
    histograms = served_histograms()
    slo = shipped().slos["first-token"]
    assert isinstance(slo, RatioSlo)
    whole = slo.model_copy(update={"threshold": 1.0})
    good = ratio_of(whole, {}, histograms).good
    assert good is not None
    (pattern,) = re.findall(r'le=~"([^"]*)"', good.promql({}))
    assert [bool(re.fullmatch(pattern, le)) for le in ("1", "1.0", "10", "1x0")] == [True, True, False, False]
