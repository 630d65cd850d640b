"""What a configuration's `compress` sections come to, and what is said of wrong ones."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import ConfigError
from llmctl.gateway.build import check
from llmctl.gateway.build_compress import compressing
from llmctl.gateway.stages.compress import Compress
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedTransport, Remember, surroundings
from tests.gateway.routed import MODELS, START

EXTRACT = "{kind: extractive, min_tokens: 100}"


def nobody(request: object) -> Any:
    raise AssertionError("nothing is sent")


def plans(folder: Path, config: str) -> dict[str, Any]:
    around = surroundings(PlayedTransport(nobody), Remember())
    trouble: list[str] = []
    stage = compressing(loaded(START + MODELS + config, folder), around, trouble)
    assert not trouble
    if stage is None:
        return {}
    assert isinstance(stage, Compress)
    return {name: plan for name, (plan, _) in stage._plans.items()}


def test_models_follow_the_gateway_and_routes_say_otherwise(tmp_path: Path) -> None:
    config = (
        f"compress: {EXTRACT}\n"
        "routes:\n"
        "  plain: {kind: fixed, model: a}\n"
        "  whole: {kind: fixed, model: a, compress: off}\n"
        "  spaces: {kind: fixed, model: a, compress: {kind: minify}}\n"
    )
    found = plans(tmp_path, config)
    assert {name: plan.options.kind for name, plan in found.items()} == {
        "a": "extractive", "b": "extractive", "c": "extractive", "plain": "extractive", "spaces": "minify"
    }  # fmt: skip
    assert found["a"] is found["plain"]
    assert found["spaces"].shorten is None
    assert found["a"].options.min_tokens == 100


def test_a_route_alone_may_compress(tmp_path: Path) -> None:
    assert list(plans(tmp_path, f"routes: {{r: {{kind: fixed, model: a, compress: {EXTRACT}}}}}\n")) == ["r"]


def test_without_a_section_there_is_no_stage(tmp_path: Path) -> None:
    assert plans(tmp_path, "routes: {r: {kind: fixed, model: a, compress: off}}\n") == {}


def test_what_is_loaded_runs_on_over_a_reload(tmp_path: Path) -> None:
    around = surroundings(PlayedTransport(nobody), Remember())
    config = START + MODELS + f"compress: {EXTRACT}\n"
    old, new = (compressing(loaded(config, tmp_path), around, []) for _ in range(2))
    assert isinstance(old, Compress)
    assert isinstance(new, Compress)
    assert old._plans["a"][0].shorten is new._plans["a"][0].shorten is not None


@pytest.mark.parametrize(
    ("config", "finding"),
    [
        ("compress: {kind: zip}", "yaml:6: compress.kind: no kind 'zip'; there are extractive, llmlingua, minify"),
        ("compress: {kind: extractive, share: 2}", "gateway.yaml:6: compress.share: "),
        ("compress: {kind: extractive, min_token: 2}", "min_tokens"),
        ("compress: {kind: extractive, share: 0.3, tokens: 9}", "share and tokens are both set"),
        (
            "compress: {kind: extractive, protect: ['(']}",
            "gateway.yaml:6: compress.protect[0]: '(' is no regular expression of RE2: missing )",
        ),
        ("compress: {kind: llmlingua, path: /nowhere}", "/nowhere"),
        (
            "routes: {r: {kind: fixed, model: a, compress: {kind: minify, share: 0.1}}}",
            "gateway.yaml:6: routes.r.compress.share: ",
        ),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, config: str, finding: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(loaded(START + MODELS + config + "\n", tmp_path))
    [line] = caught.value.findings
    assert finding in line


def test_a_gateway_that_compresses_nothing_imports_no_compressor() -> None:
    code = "import sys, llmctl.gateway.build; print([name for name in sys.modules if 'compress.' in name])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == "[]"
