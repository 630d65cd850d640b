import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from llmctl.errors import ConfigError
from llmctl.evals.promptfoo import from_promptfoo, imported, is_promptfoo, refused, suite_of
from llmctl.evals.promptfoo_assertions import SUPPORTED, Unsupported, assertions, from_text
from llmctl.evals.promptfoo_files import tree_of
from llmctl.evals.promptfoo_providers import provider
from llmctl.evals.prompts import Prompt
from llmctl.scoring.base import Judged, Output, Tools
from llmctl.scoring.grade import Grader

FIXTURES = Path(__file__).parent / "promptfoo"
WHOLE = sorted(path for path in FIXTURES.glob("*.yaml") if path.stem != "unsupported")


async def says(*_: Any) -> Judged:
    return Judged('{"score": 1, "category": "C", "reason": "fine"}')


async def vectors(texts: Sequence[str]) -> Sequence[Sequence[float]]:
    return [[1.0, 0.0] for _ in texts]


TOOLS = Tools(FIXTURES, Random(0), says, vectors)


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_supported_files_import_whole_and_can_be_scored(path: Path) -> None:
    config, items, unsupported = suite_of(path)
    assert unsupported == []
    assert items
    for item in items:
        assert item.assertions
        asyncio.run(Grader(item.assertions, TOOLS).grade(item.sample, Output("Paris")))
        for prompt in config.prompts.values():
            assert Prompt(prompt).messages(item.sample.columns)


def test_every_supported_kind_has_a_fixture() -> None:
    found = set(re.findall(r"type: (?:not-)?([a-z:-]+)", "".join(path.read_text() for path in WHOLE)))
    assert SUPPORTED - {"similar:cosine"} <= found


def test_everything_unsupported_is_named_with_its_line() -> None:
    path = FIXTURES / "unsupported.yaml"
    found = imported(path)
    expected = {
        (4, "prompts: from file://prompt.js"), (7, "provider anthropic:messages:claude-sonnet-4-5"),
        (8, "provider openai:gpt-4o: config.functions"), (9, "extensions"), (10, "evaluateOptions.delay"),
        (13, "options.transform"), (16, "provider of a test"), (18, "javascript"), (19, "webhook"), (20, "rouge-n"),
        (21, "python"), (22, "select-best"), (23, "contains: transform"), (24, "assert-set: threshold"),
        (25, "not-a-kind"), (26, "latency: without a threshold"), (28, "tests: from huggingface:"), (29, "scenarios"),
    }  # fmt: skip
    for line, what in expected:
        assert any(said.startswith(f"{path}:{line}: {what}") for said in found.unsupported), (line, what)
    assert len(found.unsupported) == len(expected)
    kinds = [one["kind"] for one in found.tree["dataset"]["items"][0]["promptfoo_assertions"]]
    assert kinds == ["contains"]
    assert "18 unsupported; --skip-unsupported" in str(refused(path, found.unsupported))


def test_files_are_read_and_values_spread_out() -> None:
    config, items, _ = suite_of(FIXTURES / "files.yaml")
    assert [item.sample.columns["language"] for item in items] == [
        "Spanish", "Italian", "Dutch", "Danish", "French", "French", "Greek", "Greek"
    ]  # fmt: skip
    assert [item.sample.columns["name"] for item in items] == ["Eva", "Gino", *["Ada"] * 6]
    assert [one.name for one in items[0].assertions] == ["named", "icontains"]
    assert (config.threshold, config.repeats, config.run.concurrency) == (0.5, 3, 2)
    assert list(config.prompts) == ["prompt-1", "prompt-2", "prompt-3"]
    assert config.prompts["prompt-3"] == [
        {"role": "system", "content": "You greet people."},
        {"role": "user", "content": "{{name}}, {{language}}"},
    ]
    assert len(config.variants) == 9
    assert config.targets["proxied"].options == {
        "base_url": "http://127.0.0.1:8080/v1", "model": "gpt-4o-mini", "api_key_env": "PROXY_KEY"
    }  # fmt: skip
    assert config.targets["small-one"].options["parameters"] == {"temperature": 0, "max_tokens": 40}
    assert "api_key_env" not in config.targets["ollama:chat:llama3.2"].options


def test_texts_stand_around_every_prompt() -> None:
    config, items, _ = suite_of(FIXTURES / "wrapped.yaml")
    said = [Prompt(config.prompts["prompt-1"]).messages(item.sample.columns)[0]["content"] for item in items]
    assert said == ["Be brief. Name a fish.", "Be brief. Name a bird. Thanks!"]


def test_judges_are_targets() -> None:
    config, items, _ = suite_of(FIXTURES / "llm_rubric.yaml")
    judges = [(one.model_extra or {})["judge"] for one in items[0].assertions]
    assert [config.targets[name].options["model"] for name in judges] == ["gpt-4.1-2025-04-14", "gpt-4o"]
    assert set(config.variants) == {"openai:gpt-4o-mini"}


def test_a_set_shares_its_weight() -> None:
    _, (item,), _ = suite_of(FIXTURES / "assert_set.yaml")
    assert [(one.kind, one.name, one.weight) for one in item.assertions] == [
        ("contains", "brief", 2.0),
        ("latency", "brief", 1.0),
    ]


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("Paris", {"type": "equals", "value": "Paris"}),
        ("Note: that is it", {"type": "equals", "value": "Note: that is it"}),
        ("contains", {"type": "equals", "value": "contains"}),
        ("not-icontains:no", {"type": "not-icontains", "value": "no"}),
        ("contains-all: a, b", {"type": "contains-all", "value": ["a", "b"]}),
        ("similar(0.7):x", {"type": "similar", "value": "x", "threshold": 0.7}),
        ("similar:x", {"type": "similar", "value": "x", "threshold": 0.8}),
        ("levenshtein(3):x", {"type": "levenshtein", "value": "x", "threshold": 3.0}),
        ("latency(500)", {"type": "latency", "threshold": 500.0}),
        ("is-json", {"type": "is-json"}),
        ("grade: be kind", {"type": "llm-rubric", "value": "be kind"}),
        ("fn:output", {"type": "javascript", "value": "output"}),
        ("file://check.py", {"type": "python", "value": "file://check.py"}),
    ],
)
def test_assertions_as_csv_writes_them(text: str, raw: dict[str, Any]) -> None:
    assert from_text(text) == raw


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"type": "contains"}, "contains: has no value"),
        ({"type": "similar", "value": "x", "threshold": 3}, "not from 0 to 1"),
        ({"type": "equals", "value": "x", "weight": "much"}, "weight must be a number"),
        ({"type": "is-json", "value": "no schema"}, "not JSON"),
        ({"type": "contains", "value": "file://x.js"}, "a value from"),
        ({"type": "assert-set"}, "without a list"),
        ({"value": "x"}, "no type"),
    ],
)
def test_assertions_that_cannot_be(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(Unsupported, match=said):
        assertions(raw, "judge")


@pytest.mark.parametrize("raw", ["openai:embedding:x", "openai:", "exec:run.sh", {"label": "x"}, "file://p.py"])
def test_providers_that_cannot_be(raw: Any) -> None:
    with pytest.raises(Unsupported, match="provider"):
        provider(raw)


def test_keys_in_a_file_are_not_repeated() -> None:
    with pytest.raises(Unsupported) as told:
        provider({"id": "openai:gpt-4o", "config": {"apiKey": "sk-secret"}})
    assert "apiKey" in str(told.value)
    assert "sk-secret" not in str(told.value)


def test_a_file_is_known_by_its_keys() -> None:
    assert is_promptfoo({"prompts": ["x"], "providers": ["y"]})
    assert is_promptfoo({"prompts": ["x"]})
    assert not is_promptfoo({"name": "x", "dataset": {}, "prompts": {}})
    assert not is_promptfoo({"prompts": {"a": "x"}, "targets": {}})
    assert from_promptfoo(FIXTURES / "equals.yaml")
    assert not from_promptfoo(FIXTURES.parent.parent.parent / "configs" / "evals" / "quickstart.yaml")
    assert not from_promptfoo(FIXTURES / "none.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "prompts: [x]\nproviders: [exec:y]\n",
            r"c\.yaml:2: provider exec:y(.|\n)*nothing is left to run: no providers",
        ),
        ("- a\n", r"c\.yaml:1: must hold keys"),
        ("prompts: [x]\nprompts: [y]\n", r"c\.yaml:2: .*set twice"),
        ("prompts: file://none.txt\nproviders: openai:gpt-4o\n", r"none\.txt: cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        suite_of(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("tests: [{vars: {a: '{{b}}'}}]", "c.yaml:3: vars.a: a template in a variable"),
        ("tests: [{assert: {$ref: x}}]", "c.yaml:3: an assertion has no type"),
        ("tests: [{assert: some text}]", "c.yaml:3: an assertion that is no mapping"),
        ("tests: [{threshold: 7}]", "c.yaml:3: a threshold that is no number"),
        ("tests: [{options: x}]", "c.yaml:3: options that are no mapping"),
        ("tests: [{threshold: 0.5}, {}]", "c.yaml:3: tests with different thresholds"),
        ("defaultTest: [1]", "c.yaml:3: defaultTest: neither"),
        ("tests: [{assert: [{type: assert-set, assert: [x]}]}]", "c.yaml:3: assert-set: without"),
        ("tests: [7]\ndefaultTest: {}", "c.yaml:3: tests: neither a test nor"),
    ],
)
def test_no_shape_is_dropped_in_silence(tmp_path: Path, extra: str, said: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"prompts: [x]\nproviders: [openai:gpt-4o]\n{extra}\n")
    try:
        found = imported(path).unsupported
    except ConfigError as error:
        found = list(error.findings)
    assert any(line.startswith(f"{tmp_path}/{said}") for line in found), found


def test_a_figure_that_suites_do_not_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("prompts: [x]\nproviders: [openai:gpt-4o]\nevaluateOptions: {repeat: 1000}\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:1: "):
        suite_of(tmp_path / "c.yaml")


def test_lines_of_a_file_that_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("---\n- a: 1\n- a: 2\n  b: |\n    text\n\n    more\n")
    tree = tree_of(tmp_path / "t.yaml")
    assert tree.value == [{"a": 1}, {"a": 2, "b": "text\n\nmore\n"}]
    assert tree.where((1, "a")) == f"{tmp_path / 't.yaml'}:3"


def test_names_of_ours_are_only_variables(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "prompts: ['{{assertions}} {{cluster}}']\nproviders: [openai:gpt-4o]\n"
        "tests: [{vars: {assertions: x, cluster: y, expected: z}, assert: [{type: equals, value: q}]}]\n"
    )
    _, items, unsupported = suite_of(tmp_path / "p.yaml")
    assert not unsupported
    (item,) = items
    assert (item.sample.columns["assertions"], item.sample.columns["cluster"]) == ("x", "y")
    assert (item.sample.cluster, item.sample.expected, len(item.assertions)) == ("", None, 1)


def test_items_spread_from_one_test_are_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "prompts: ['{{q}}']\nproviders: [openai:gpt-4o]\n"
        "tests: [{vars: {q: [a, b]}}, {vars: {q: c}}, {vars: {q: [d, e]}}]\n"
    )
    _, items, _ = suite_of(tmp_path / "p.yaml")
    first, second, alone, third, fourth = (item.sample.cluster for item in items)
    assert first == second != third == fourth
    assert alone == ""


@pytest.mark.parametrize("prompt", ["p.py", "p.py:make", "exec:./p.sh", "prompts/*.txt", "q.prompt"])
def test_prompts_that_programs_make_are_named(prompt: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        f"prompts: [hello, '{prompt}']\nproviders: [openai:gpt-4o]\ntests: [{{vars: {{q: a}}}}]\n"
    )
    _, _, unsupported = suite_of(tmp_path / "p.yaml")
    assert [one for one in unsupported if prompt in one]


def test_targets_beside_providers_are_named(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "prompts: [hello]\nproviders: [openai:gpt-4o]\ntargets: ['webhook:x']\ntests: [{vars: {q: a}}]\n"
    )
    _, _, unsupported = suite_of(tmp_path / "p.yaml")
    assert [one for one in unsupported if "targets" in one]
