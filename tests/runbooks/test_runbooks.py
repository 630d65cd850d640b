"""Every alert has its runbook, and what a runbook says exists."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmctl.alerts.rules import alerts
from llmctl.alerts.slo import load
from llmctl.config.load import load as load_config
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.gateway.build import check
from llmctl.gateway.promises import served_histograms
from tests.runbooks import lint
from tests.runbooks.books import ROOT, RUNBOOKS, Book, Step, read, runbooks
from tests.runbooks.gateways import base, merged

BOOKS = {book.path.name: book for book in runbooks()}
EDITS = [(name, step) for name, book in BOOKS.items() for step in book.steps if step.run == "edit"]


def generated() -> dict[str, dict[str, Any]]:
    histograms = served_histograms()
    return alerts(load(ROOT / "configs" / "slo.yaml", Environment({}), histograms), histograms)


@pytest.mark.parametrize("name", generated())
def test_an_alert_has_a_runbook_that_names_it(name: str) -> None:
    path = ROOT / generated()[name]["annotations"]["runbook"]
    assert path.is_file()
    assert name in read(path).front["alerts"]
    assert f"({path.name})" in (RUNBOOKS / "README.md").read_text()


@pytest.mark.parametrize("book", BOOKS.values(), ids=BOOKS)
def test_a_runbook_names_alerts_that_exist_and_the_gravest_of_their_severities(book: Book) -> None:
    found = generated()
    assert set(book.front["alerts"]) <= set(found)
    severities = {found[name]["labels"]["severity"] for name in book.front["alerts"]}
    assert book.front["severity"] == ("page" if "page" in severities else "ticket")


@pytest.mark.parametrize("find", [lint.structure, lint.commands, lint.links])
@pytest.mark.parametrize("book", BOOKS.values(), ids=BOOKS)
def test_what_a_runbook_says_is_right(book: Book, find: Callable[[Book], Iterator[str]]) -> None:
    assert list(find(book)) == []


@pytest.mark.parametrize("find", [lint.commands, lint.links])
def test_what_the_index_says_is_right(find: Callable[[Book], Iterator[str]]) -> None:
    assert list(find(read(RUNBOOKS / "README.md"))) == []


@pytest.mark.parametrize("book", BOOKS.values(), ids=BOOKS)
def test_variables_are_those_that_the_index_explains(book: Book) -> None:
    explained = set(re.findall(r"\b[A-Z][A-Z_]+\b", (RUNBOOKS / "README.md").read_text()))
    used = {name for step in book.steps for name in re.findall(r"\$([A-Z_]+)", step.text)}
    assert used <= explained


@pytest.mark.parametrize("book", BOOKS.values(), ids=BOOKS)
def test_settings_that_are_named_are_in_the_schema(book: Book, schema: dict[str, Any]) -> None:
    assert list(lint.settings(book, schema)) == []


@pytest.mark.parametrize(("name", "step"), EDITS, ids=[f"{name}-{step.id}" for name, step in EDITS])
def test_an_edit_makes_a_configuration_that_can_be_built(name: str, step: Step, tmp_path: Path) -> None:
    edited(tmp_path, step.text)


def edited(folder: Path, text: str) -> None:
    _, tree = base()
    path = folder / "gateway.yaml"
    changed = merged(tree, yaml.safe_load(text))
    path.write_text(yaml.safe_dump(changed))
    loaded = load_config(path, Environment({}))
    check(loaded)
    path.write_text(yaml.safe_dump(tree))
    assert loaded.digest != load_config(path, Environment({})).digest


@pytest.mark.parametrize(
    "text",
    [
        "models: {small: {fallback: [large]}}",
        "routes: {default: {kind: fixed, model: nobody}}",
        "guardrails: {policies: {pii: {kind: pii}}}",
        "guardrails: {policies: {p: {kind: rate_limit, on_error: block, options: {requests: 1}}}}",
    ],
)
def test_an_edit_that_is_wrong_is_noticed(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        edited(tmp_path, text)


SOUND = """---
alerts: [A]
severity: page
owner: x
last_tested: 2026-01-01
---
# T
## Meaning
## Impact
## Diagnosis
```bash {id=ls run=llmctl timeout=10s}
llmctl traces ls --traces "$TRACES" --where 'status=failed' --since 30m
```
```promql {id=q run=promql timeout=10s}
sum by (model) (rate(llmctl_requests_total{status=~"5.."}[5m]))
```
[see](#rollback), [index](README.md#steps), `cache.semantic.max_error`, `llmctl cost report --by model`
## Mitigation
## Verification
## Rollback
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## Impact\n", "", "sections are"),
        ("owner: x\n", "", "front matter has no owner"),
        ("timeout=10s", "timeout=1h", "no timeout"),
        ("id=q", "id=ls", "not the only one"),
        ("run=llmctl timeout", "run=magic timeout", "run=magic"),
        ("run=llmctl", "run=llmctl mutates=true", "names no rollback"),
        ("run=llmctl", "run=llmctl rollback=gone", "names no step: gone"),
        ("run=llmctl", "run=llmctl retries=1", "unknown attributes"),
        ("llmctl traces ls", "llmctl traces list", "No such command"),
        ("--since 30m", "--sinse 30m", "No such option"),
        ("--since 30m", "--since soon", "soon"),
        ("--since 30m", "--state broken", "broken"),
        ("status=failed", "colour=blue", "colour"),
        ("llmctl traces ls", "ls", "run=llmctl runs ls"),
        ("llmctl traces ls", "cp a b; llmctl traces ls", "cp changes something"),
        ("run=llmctl", "run=http", "run=http runs llmctl"),
        ("llmctl cost report --by", "llmctl cost report --buy", "No such option"),
        ("llmctl_requests_total", "llmctl_answers_total", "there is no metric llmctl_answers_total"),
        ("llmctl_requests_total{", "up{", "no metric of ours"),
        ("(#rollback)", "(#roll)", "no such heading"),
        ("(README.md#steps)", "(READYOU.md)", "dead link"),
        ("cache.semantic.max_error", "cache.semantic.max_errors", "there is no key cache.semantic.max_errors"),
    ],
)
def test_planted_errors_are_found(old: str, new: str, said: str, schema: dict[str, Any]) -> None:
    def found(text: str) -> list[str]:
        book = read(RUNBOOKS / "planted.md", text)
        whole = [*lint.structure(book), *lint.commands(book), *lint.links(book), *lint.settings(book, schema)]
        return [*whole, *lint.queries(book, {"llmctl_requests_total"})]

    assert found(SOUND) == []
    assert old in SOUND
    assert said in "\n".join(found(SOUND.replace(old, new, 1)))
