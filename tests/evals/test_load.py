from pathlib import Path

import pytest

from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.evals.load import Suite, load_suite
from llmctl.evals.recorded import RecordedOptions
from llmctl.evals.targets import GatewayOptions, UrlOptions

GOOD = """name: s
dataset: {kind: jsonl, path: x}
targets:
  gw: {kind: gateway, config: g.yaml, model: m}
  far: {kind: url, base_url: "${BASE}", model: m}
  old: {kind: recorded, path: r.jsonl}
prompts:
  one: "{{q}}"
  two: [{role: user, content: "{{q}}!"}]
scorers: [{kind: equals}]
"""


def loaded(folder: Path, text: str) -> Suite:
    (folder / "s.yaml").write_text(text)
    return load_suite(folder / "s.yaml", Environment({"BASE": "http://h/v1"}))


def findings(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return [line.removeprefix(f"{folder}/") for line in caught.value.findings]


def test_targets_are_decoded_and_references_resolved(tmp_path: Path) -> None:
    suite = loaded(tmp_path, GOOD)
    kinds = {name: type(options) for name, options in suite.targets.items()}
    assert kinds == {"gw": GatewayOptions, "far": UrlOptions, "old": RecordedOptions}
    far = suite.targets["far"]
    assert isinstance(far, UrlOptions)
    assert far.base_url == "http://h/v1"


def test_without_variants_every_target_has_every_prompt(tmp_path: Path) -> None:
    assert list(loaded(tmp_path, GOOD).variants) == ["gw-one", "gw-two", "far-one", "far-two", "old"]
    single = GOOD.replace('  two: [{role: user, content: "{{q}}!"}]\n', "")
    assert [(name, one.prompt) for name, one in loaded(tmp_path, single).variants.items()] == [
        ("gw", "one"), ("far", "one"), ("old", "one")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("kind: gateway,", "kind: gatewy,"),
            "s.yaml:4: targets.gw.kind: no such kind of target; did you",
        ),
        ((", model: m}\n  far", "}\n  far"), "s.yaml:4: targets.gw: give `model` or `route`, one of them"),
        (("path: r.jsonl", "pth: r.jsonl"), "s.yaml:6: targets.old.path: missing"),
        (('"{{q}}"', '"{{q}"'), "s.yaml:8: prompts.one: is no template"),
        (("${BASE}", "${GONE}"), "s.yaml:5: targets.far.base_url: the environment variable GONE is not set"),
        (("name: s", "name: s\nrepeats: lots"), "s.yaml:2: repeats: write a whole number"),
        (("scorers:", "variants: {v: {target: g}}\nscorers:"), "s.yaml:10: variants.v.target: there is no target 'g'"),
        (("scorers:", "variants: {v: {target: gw}}\nscorers:"), "s.yaml:10: variants.v.prompt: say which of one, two"),
        (
            ("scorers:", "variants: {v: {target: gw, prompt: on}}\nscorers:"),
            "s.yaml:10: variants.v.prompt: there is no prompt 'on'; did you mean one?",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert change[0] in GOOD
    assert any(line.startswith(said) for line in findings(tmp_path, GOOD.replace(*change))), findings(
        tmp_path, GOOD.replace(*change)
    )


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    assert len(findings(tmp_path, GOOD.replace("kind: gateway,", "kind: x,").replace('"{{q}}"', '"{{q}"'))) == 2


def test_a_file_of_promptfoo_is_read_and_what_we_lack_is_named(tmp_path: Path) -> None:
    said = findings(tmp_path, "prompts: [a]\nproviders: [nobody:x]\ntests: [{vars: {q: 1}}]\n")
    assert any("nobody:x" in one for one in said)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_suite(tmp_path / "none.yaml", Environment({}))
