from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from llmctl.config.load import Loaded, decode, findings, load
from llmctl.config.secrets import Environment, masked
from llmctl.config.show import to_yaml
from llmctl.errors import ConfigError

GOLDEN = Path(__file__).parent.parent / "golden" / "config"
ENVIRONMENT = Environment({"SET": "value", "NUMBER": "8081", "EMPTY": "", "KEY": "123456789"})
MINIMAL = "providers: {p: {kind: scripted}}\nmodels: {m: {provider: p}}\n"


def outcome(path: Path) -> str:
    """What a golden file holds: findings, or the resolved tree, masked, and the warnings."""
    try:
        loaded = load(path, ENVIRONMENT)
    except ConfigError as error:
        return "\n".join(error.findings) + "\n"
    return to_yaml(masked(loaded.tree)) + "".join(f"# {warning}\n" for warning in loaded.warnings)


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.yaml")))
def test_golden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    got = outcome(Path(f"{name}.yaml"))
    expected = GOLDEN / f"{name}.txt"
    if not expected.exists():
        expected.write_text(got)
        pytest.fail(f"{expected} was missing and has been written; read it before you commit it")
    assert got == expected.read_text()


def test_every_golden_has_its_file() -> None:
    assert {p.stem for p in GOLDEN.glob("*.txt")} == {p.stem for p in GOLDEN.glob("*.yaml")}


def loaded_from(folder: Path, text: str, **variables: str) -> Loaded:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return load(path, Environment(variables))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="llmctl init"):
        load(tmp_path / "gateway.yaml", ENVIRONMENT)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, ENVIRONMENT)


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 MiB"):
        loaded_from(tmp_path, "#" * (1024**2 + 1))


def test_loaded_knows_its_lines_and_sources(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("# a comment\nserver: {port: 1}\n")
    loaded = loaded_from(tmp_path, "include: [more.yaml]\n" + MINIMAL)
    assert loaded.config.server.port == 1
    assert loaded.sources == (tmp_path / "gateway.yaml", tmp_path / "more.yaml")
    assert loaded.where(("server", "port")) == f"{tmp_path}/more.yaml:2"
    assert loaded.where(("models", "m", "nothing", "here")) == f"{tmp_path}/gateway.yaml:3"
    assert loaded.where(()) == f"{tmp_path}/gateway.yaml:1"
    assert loaded.finding(("models", "m"), "why") == f"{tmp_path}/gateway.yaml:3: models.m: why"


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert loaded_from(tmp_path, "\ufeff" + MINIMAL).config.server.port == 8080


def test_secrets_are_collected_and_kept_out_of_the_digest(tmp_path: Path) -> None:
    text = "providers: {p: {kind: scripted, api_key: '${KEY}'}}\nmodels: {m: {provider: p}}\n"
    one, other = loaded_from(tmp_path, text, KEY="sk-first-key"), loaded_from(tmp_path, text, KEY="sk-second-key")
    assert one.secrets == {"sk-first-key"}
    assert "sk-first-key" not in repr(one)
    assert one.digest == other.digest
    assert one.warnings == ()


def test_findings_of_an_extension(tmp_path: Path) -> None:
    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid")

        base_url: str
        api_key: SecretStr | None = None
        retries: int = 0

    text = (
        "providers:\n  p:\n    kind: x\n    bse_url: y\n    retries: many\n    api_key: 1\nmodels: {m: {provider: p}}\n"
    )
    loaded = loaded_from(tmp_path, text)
    options = loaded.config.providers["p"].options
    with pytest.raises(ConfigError) as raised:
        decode(Options, options, loaded, ("providers", "p"))
    file = tmp_path / "gateway.yaml"
    assert raised.value.findings == (
        f"{file}:2: providers.p.base_url: missing; add it",
        f"{file}:4: providers.p.bse_url: unknown key; did you mean base_url?",
        f"{file}:5: providers.p.retries: write a whole number, without quotes",
        f"{file}:6: providers.p.api_key: write text; put a number, a date or true/false in quotes",
    )
    with pytest.raises(ValidationError) as invalid:
        Options.model_validate(options)
    assert f"{file}:4: providers.p.bse_url: unknown key" in findings(invalid.value, loaded, ("providers", "p"))
    assert decode(Options, {"base_url": "u"}, loaded, ("providers", "p")).retries == 0


YAMLISH = st.text(alphabet=st.sampled_from("ab:-?[]{}&*!|>'\"%@`#,~<$ \n\t0.{}eé\x00\ud800\u2028"), max_size=60)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=60), YAMLISH, YAMLISH.map(lambda t: MINIMAL + "server: " + t)))
@example("? " * 5000)
@example("[" * 5000)
@example("a: " + "9" * 5000)
@example("server: {port: 1e999, workers: .nan, drain_timeout: .inf}")
@example("a: &a\n  b: *a")
def test_any_text_is_a_configuration_or_a_config_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(path, ENVIRONMENT)
        found: tuple[str, ...] = (f"{path}:1: fine",)
    except ConfigError as error:
        found = error.findings
    assert found
    assert all(finding.startswith(f"{path}:") for finding in found)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80))
def test_any_bytes_are_a_config_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError):
        load(path, ENVIRONMENT)
