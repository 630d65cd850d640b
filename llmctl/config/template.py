"""The gateway.yaml that `llmctl init` writes: a commented template with its providers and models filled in."""

import json
from dataclasses import dataclass
from importlib.resources import files

LOCAL_MODEL = "smollm2-135m"


@dataclass(frozen=True, slots=True)
class Upstream:
    """A server that speaks OpenAI's API, one model of it, and the environment variable that holds its key."""

    url: str
    model: str
    api_key_env: str | None = None


def render(upstream: Upstream | None = None) -> str:
    """A whole file; without `upstream` it serves the small model that comes with llmctl."""
    template = files("llmctl.config").joinpath("templates/gateway.yaml").read_text(encoding="utf-8")
    providers, models = _local() if upstream is None else _openai(upstream)
    return template.replace("# @providers", providers).replace("# @models", models)


def _local() -> tuple[str, str]:
    return (
        "  local: # a small model in a child process: `pip install 'llmctl[local]'`\n    kind: local",
        f"  {LOCAL_MODEL}: # chat, completions and embeddings\n    provider: local",
    )


def _openai(upstream: Upstream) -> tuple[str, str]:
    lines = ["  upstream:", "    kind: openai", f"    base_url: {_quoted(upstream.url)}"]
    if upstream.api_key_env:
        lines.append(f"    api_key: ${{{upstream.api_key_env}}}")
    return "\n".join(lines), f"  {_quoted(upstream.model)}:\n    provider: upstream"


def _quoted(text: str) -> str:
    # JSON's strings are YAML's double-quoted ones.
    return json.dumps(text).replace("${", "$${")
