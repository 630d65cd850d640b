"""The schema of gateway.yaml as users get it."""

import json
from typing import Any

import pytest
import typer.testing

from llmctl.commands.config import app


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    made = typer.testing.CliRunner().invoke(app, ["schema"])
    assert made.exit_code == 0
    found: dict[str, Any] = json.loads(made.stdout)
    return found
