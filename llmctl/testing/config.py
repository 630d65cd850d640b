"""Configurations for tests, from text."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from llmctl.config.load import Loaded, load
from llmctl.config.secrets import Environment


def loaded(text: str, folder: Path, env: Mapping[str, str] | None = None) -> Loaded:
    """The configuration in `text`, written to `folder/gateway.yaml`, with `env` as its whole environment."""
    path = folder / "gateway.yaml"
    path.write_text(dedent(text))
    return load(path, Environment(env or {}))
