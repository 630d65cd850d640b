from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmctl.config.load import decode, load
from llmctl.config.secrets import Environment
from llmctl.config.template import LOCAL_MODEL, Upstream, render
from llmctl.gateway.build import check
from llmctl.providers import TABLE as PROVIDERS

ROOT = Path(__file__).parent.parent.parent


def test_the_shipped_configuration_is_what_init_writes() -> None:
    assert (ROOT / "configs" / "gateway.yaml").read_text() == render()


def test_it_loads_as_it_is() -> None:
    loaded = load(ROOT / "configs" / "gateway.yaml", Environment({}))
    assert loaded.config.models[LOCAL_MODEL].provider == "local"
    assert loaded.warnings == ()


def test_its_commented_examples_load_too(tmp_path: Path) -> None:
    text = render()
    at = text.index("#   openai:")
    providers = text[at : text.index("# ---- routes")]
    path = tmp_path / "gateway.yaml"
    path.write_text("models: {m: {provider: openai}}\nproviders:\n" + uncommented(providers))
    variables = dict.fromkeys(
        ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "OPENROUTER_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), "x"
    )
    loaded = load(path, Environment(variables))
    assert len(loaded.config.providers) == 9
    for name, entry in loaded.config.providers.items():
        decode(PROVIDERS[entry.kind].Options, entry.options, loaded, ("providers", name))


def test_its_commented_routes_can_be_built(tmp_path: Path) -> None:
    text = render()
    examples = text[text.index("# ---- routes") : text.index("# ---- virtual keys")]
    path = tmp_path / "gateway.yaml"
    models = ", ".join(f"{name}: {{provider: p}}" for name in ("small", "medium", "large"))
    path.write_text(f"providers: {{p: {{kind: scripted}}}}\nmodels: {{{models}}}\n{uncommented(examples)}")
    loaded = load(path, Environment({}))
    check(loaded)
    assert list(loaded.config.routes) == ["default", "auto", "trial"]
    assert set(loaded.config.resilience) == {"retry", "breaker"}


def test_its_commented_ways_to_save_can_be_built(tmp_path: Path) -> None:
    text = render()
    examples = text[text.index("# ---- routes") : text.index("# ---- virtual keys")]
    examples += text[text.index("# ---- cost") : text.index("# ---- records")]
    path = tmp_path / "gateway.yaml"
    models = ", ".join(f"{name}: {{provider: p}}" for name in ("small", "medium", "large"))
    path.write_text(f"providers: {{p: {{kind: scripted}}}}\nmodels: {{{models}}}\n{uncommented(examples)}")
    loaded = load(path, Environment({}))
    check(loaded)
    config = loaded.config
    assert config.cache is not None
    assert config.cache.semantic is not None
    assert config.compress is not None
    assert config.batches is not None
    assert list(config.budgets.limits) == ["monthly"]


def uncommented(text: str) -> str:
    lines = [line.removeprefix("# ").removeprefix("#") for line in text.splitlines()]
    return "\n".join(line for line in lines if not line.startswith("----")) + "\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(codec="ascii", categories=("L", "N", "P", "S"))))
def test_an_upstream_is_written_so_that_it_reads_back(tmp_path: Path, tail: str) -> None:
    url = f"https://host/{tail}"
    path = tmp_path / "gateway.yaml"
    path.write_text(render(Upstream(url, "org/model-1", "KEY")))
    config = load(path, Environment({"KEY": "1234567890"})).config
    assert config.providers["upstream"].options == {"base_url": url, "api_key": "1234567890"}
    assert config.models["org/model-1"].provider == "upstream"
