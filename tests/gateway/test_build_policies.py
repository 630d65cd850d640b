"""What a configuration's guardrails come to, and where it is told what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmctl.config.keys import new_key
from llmctl.config.schema import GuardrailsConfig
from llmctl.errors import ConfigError
from llmctl.gateway.build_policies import effective
from llmctl.guards.presets import preset
from llmctl.testing.asking import Bench

PII = "kind: pii, on_error: block"


@pytest.fixture(autouse=True)
def _plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages bring `broken-plugin`."""
    for dist in ("acme", "bolt"):
        info = tmp_path / "site" / f"{dist}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[llmctl.guards]\nbroken-plugin = {dist}:Guard\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def findings(folder: Path, policy: str) -> list[str]:
    text = f"\n  preset: none\n  policies:\n    p: {{{policy}}}"
    with pytest.raises(ConfigError) as caught:
        Bench(folder, text)
    return [line.removeprefix(f"{folder}/") for line in caught.value.findings]


@pytest.mark.parametrize(
    ("policy", "where", "says"),
    [
        ("kind: pi, on_error: block", ".kind", "no guard 'pi'; there are citation, content"),
        ("kind: pi, on_error: block", ".kind", "package.module:Class"),
        ("kind: pii", ".on_error", ""),
        ("kind: pii, on_error: blok", ".on_error", "block"),
        (f"{PII}, actions: {{EMAIL: drop}}", ".actions", ""),
        (f"{PII}, mode: of", ".mode", "shadow"),
        (f"{PII}, optoins: {{}}", ".optoins", "options"),
        (f"{PII}, options: {{entitys: [EMAIL]}}", ".options.entitys", "entities"),
        (f"{PII}, options: {{threshold: 3}}", ".options.threshold", ""),
        (f"{PII}, options: {{entities: [MAIL]}}", ".options.entities", ""),
        ("kind: pattern, on_error: block, options: {patterns: [{name: x, regex: '('}]}", ".options", "pattern x"),
        ("kind: injection, on_error: block, direction: output", ".direction", "injection judges input only"),
        ("kind: schema, on_error: block, direction: both", ".direction", "schema judges output only"),
        (f"{PII}, routes: [nowhere]", ".routes", "no 'nowhere' here; there are m"),
        (f"{PII}, tenants: [acme]", ".tenants", "no 'acme' here; there are default"),
        (f"{PII}, routes: []", ".routes", ""),
        (f"{PII}, sources: [robot]", ".sources", ""),
        (f"{PII}, second: {{kind: secrets}}", ".second.kind", "secrets is a fast guard; ask one of"),
        (f"{PII}, second: {{kind: nobody}}", ".second.kind", "no guard 'nobody'"),
        (f"{PII}, second: {{kind: judge, band: [0.8, 0.3]}}", ".second.band", "lower score first"),
        (f"{PII}, second: {{kind: judge, band: [0.8, 3]}}", ".second.band", ""),
        (f"{PII}, second: {{kind: judge, deadline: 0s}}", ".second.deadline", ""),
        (f"{PII}, second: {{kind: judge, options: {{nonsense: 1}}}}", ".second.options", ""),
        ("kind: 'no.such.module:Guard', on_error: block", "", "no.such.module"),
        ("kind: 'llmctl.guards.pii:Nothing', on_error: block", "", "Nothing"),
        ("kind: rate_limit, on_error: block, options: {requests: 3}", ".options", "requests"),
        ("kind: rate_limit, on_error: block, actions: {'*': warn}", ".actions", "has no use for it"),
        (f"{PII}, direction: output, restore: true", ".restore", "judges answers only"),
        ("kind: schema, on_error: block, sources: [user]", ".sources", "judges answers only"),
        (f"{PII}, second: {{kind: broken-plugin}}", ".second.kind", "2 packages bring one of that name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, policy: str, where: str, says: str) -> None:
    found = findings(tmp_path, policy)
    assert found[0].startswith(f"gateway.yaml:6: guardrails.policies.p{where}")
    assert any(says in line for line in found)


def test_all_of_it_at_once(tmp_path: Path) -> None:
    found = findings(tmp_path, f"{PII}, routes: [x], tenants: [y], direction: both, options: {{threshold: 9}}")
    assert [line.split(": ")[1].rpartition("policies.p.")[2] for line in found] == [
        "routes",
        "tenants",
        "options.threshold",
    ]


def test_an_unknown_preset(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="balanced"):
        Bench(tmp_path, "{preset: paranoid}")


def config(**raw: Any) -> GuardrailsConfig:
    return GuardrailsConfig.model_validate(raw)


def test_policies_of_the_preset_are_replaced_by_name_and_others_come_after() -> None:
    own = {"kind": "secrets", "on_error": "allow"}
    policies = effective(config(policies={"mine": own, "pii": own}))
    assert list(policies) == [*preset("balanced"), "mine"]
    assert (policies["pii"].kind, policies["pii"].on_error) == ("secrets", "allow")


def test_a_disabled_policy_is_none(tmp_path: Path) -> None:
    off = {"kind": "pii", "on_error": "block", "mode": "disabled"}
    policies = effective(config(policies={"pii": off, "mine": off}))
    assert set(preset("balanced")) - set(policies) == {"pii"}
    assert "mine" not in policies


@pytest.mark.parametrize("name", ["strict", "balanced", "lenient", "none"])
async def test_every_preset_is_built_and_lets_a_plain_question_pass(tmp_path: Path, name: str) -> None:
    made = Bench(tmp_path, f"{{preset: {name}}}")
    asked = await made.say({"role": "system", "content": "Be brief."}, "What is the capital of France?")
    assert (asked.client.text, asked.record.state) == ("fine", "ok")
    assert {one.policy for one in asked.record.verdicts()} <= set(preset(name))
    assert {one.verdict for one in asked.record.verdicts()} <= {"allow"}
    assert bool(asked.record.verdicts()) is (name != "none")


async def test_guards_judge_in_the_directions_asked_for(tmp_path: Path) -> None:
    kinds = {"both": "both", "input": "input", "output": "output", "default": None}
    each = ", ".join(f"{name}: {{{PII}{f', direction: {way}' if way else ''}}}" for name, way in kinds.items())
    asked = await Bench(tmp_path, f"{{preset: none, policies: {{{each}}}}}").say("q")
    assert [(one.policy, one.direction) for one in asked.record.verdicts()] == [
        ("both", "input"), ("input", "input"), ("default", "input"),
        ("both", "output"), ("output", "output"), ("default", "output"),
    ]  # fmt: skip


def test_equal_guards_are_one(tmp_path: Path) -> None:
    made = Bench(
        tmp_path,
        f"{{preset: none, policies: {{a: {{{PII}}}, b: {{{PII}, mode: shadow}}, "
        f"c: {{{PII}, options: {{threshold: 0.9}}}}}}}}",
    )
    policies = made.gateway._beside.policies.input
    assert policies[0].guard is policies[1].guard
    assert policies[0].guard is not policies[2].guard
    assert len(made.gateway._beside.policies.guards) == 2


@pytest.mark.parametrize(("keys", "strict"), [("preset: strict,", True), ("", False)])
async def test_thresholds_follow_the_preset_unless_the_policy_has_its_own(
    tmp_path: Path, keys: str, strict: bool
) -> None:
    possible = "wire it to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"  # an address whose check sum is wrong
    made = Bench(tmp_path, f"{{preset: none, policies: {{p: {{{keys} {PII}, direction: input}}}}}}")
    default = made.gateway._beside.policies.input[0].guard
    assert default._threshold == (0.5 if strict else 0.6)  # type: ignore[union-attr]
    assert (await made.say(possible)).record.state == "ok"


async def test_tenants_have_their_own(tmp_path: Path) -> None:
    (acme, entry), (other, plain) = new_key(), new_key()
    keys = json.dumps([entry | {"tenant": "acme"}, plain])
    made = Bench(
        tmp_path, f"{{preset: none, policies: {{p: {{{PII}, direction: input, tenants: [acme]}}}}}}", keys=keys
    )
    question = {"model": "m", "messages": [{"role": "user", "content": "q"}]}
    assert [one.policy for one in (await made.ask(question, credential=acme)).record.verdicts()] == ["p"]
    assert (await made.ask(question, credential=other)).record.verdicts() == []
