from pathlib import Path
from random import Random

import pytest

from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError, UsageError
from llmctl.evals.items import read_items
from llmctl.evals.load import load_suite
from llmctl.evals.prepare import EVERYTHING, Choice, Prepared, folder_of, prepare
from llmctl.evals.targets import Asked, Looked
from llmctl.scoring.base import Judged, Tools
from llmctl.testing.clock import ManualClock

SUITE = """name: my/suite
dataset: {kind: inline, items: [{id: a, q: "1"}, {id: b, q: "2"}, {id: c, q: "3"}]}
targets:
  up: {kind: url, base_url: "http://h/v1", model: m}
  judge: {kind: url, base_url: "http://j/v1", model: j}
  old: {kind: recorded, path: r.jsonl}
prompts: {p: "{{q}}"}
variants: {v: {target: up}, w: {target: up, parameters: {temperature: 1}}, o: {target: old}}
scorers: [{kind: equals, value: "1"}]
"""


def made(folder: Path, text: str = SUITE, choice: Choice = EVERYTHING) -> Prepared:
    (folder / "r.jsonl").write_text('{"id": "a", "output": "1"}\n')
    (folder / "s.yaml").write_text(text)
    suite = load_suite(folder / "s.yaml", Environment({}))
    return prepare(suite, read_items(suite), Environment({}), ManualClock(), Random(0), choice)


def test_everything_or_what_was_chosen(tmp_path: Path) -> None:
    whole = made(tmp_path)
    assert [one.name for one in whole.variants] == ["v", "w", "o"]
    assert {name: type(one) for name, one in whole.targets.items()} == {"up": Asked, "old": Looked}
    assert whole.total == 9
    some = made(tmp_path, choice=Choice(("w",), 2))
    assert ([one.name for one in some.variants], some.total, set(some.targets)) == (["w"], 2, {"up"})
    with pytest.raises(UsageError, match="has no variant 'x'; it has v, w, o"):
        made(tmp_path, choice=Choice(("x",)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('q: "2"', 'q: "4"'),
        ('{p: "{{q}}"}', '{p: "{{q}}?"}'),
        ("model: m", "model: n"),
        ("temperature: 1", "temperature: 2"),
        ('value: "1"', 'value: "2"'),
        ("name: my/suite", "name: my/suite\nseed: 1"),
        ("http://h", "http://i"),
    ],
)
def test_the_digest_is_of_all_that_decides_results(tmp_path: Path, old: str, new: str) -> None:
    assert old in SUITE
    assert made(tmp_path, SUITE.replace(old, new)).digest != made(tmp_path).digest


def test_how_it_is_run_decides_nothing(tmp_path: Path) -> None:
    other = SUITE + "run: {concurrency: 3}\nbudget: {max_cost: 1}\ngate: {least: 0.5}\ndescription: words\n"
    assert made(tmp_path, other).digest == made(tmp_path).digest
    assert made(tmp_path, choice=Choice(limit=2)).digest != made(tmp_path).digest


def test_mistakes_are_found_before_anything_is_paid(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"s.yaml:7: prompts.p: does not fit the item 'a': 'z' is undefined"):
        made(tmp_path, SUITE.replace("{{q}}", "{{z}}"))
    with pytest.raises(ConfigError, match=r"s.yaml:9: scorers\[0\]"):
        made(tmp_path, SUITE.replace("equals", "equls")).grader(Tools(tmp_path, Random(0)))
    with pytest.raises(ConfigError, match="scorers: give one at least"):
        made(tmp_path, SUITE.replace('scorers: [{kind: equals, value: "1"}]\n', ""))
    with pytest.raises(ConfigError, match=r"s.yaml:4: targets.up: the environment variable KEY is not set"):
        made(tmp_path, SUITE.replace("model: m", "model: m, api_key_env: KEY"))
    with pytest.raises(ConfigError, match=r"s.yaml:6: targets.old: .*none.jsonl: cannot be read"):
        made(tmp_path, SUITE.replace("r.jsonl", "none.jsonl"))


def test_judges_are_made_where_scorers_ask_them_and_must_be_there(tmp_path: Path) -> None:
    rubric = SUITE.replace('{kind: equals, value: "1"}', '{kind: llm-rubric, value: "good"}')
    asked = made(tmp_path, rubric)
    assert set(asked.targets) == {"up", "judge", "old"}
    with pytest.raises(
        ConfigError, match=r"s.yaml:9: scorers\[0\]: the suite has no target 'judy' to judge; it has up"
    ):
        made(tmp_path, rubric.replace('value: "good"', 'value: "good", judge: judy')).grader(
            Tools(tmp_path, Random(0), _nobody)
        )
    other = rubric.replace("http://j/", "http://k/")
    assert made(tmp_path, other).digest != asked.digest
    alone = rubric.replace(
        "variants: {v: {target: up}, w: {target: up, parameters: {temperature: 1}}, o: {target: old}}\n", ""
    )
    assert [one.name for one in made(tmp_path, alone).variants] == ["up", "old"]


async def _nobody(name: str, messages: object, parameters: object) -> Judged:
    raise AssertionError(name)


def test_results_lie_by_suite_and_digest(tmp_path: Path) -> None:
    whole = made(tmp_path)
    assert folder_of(whole.suite, whole.digest, Path("root")) == Path("root/my-suite") / whole.digest[:12]
