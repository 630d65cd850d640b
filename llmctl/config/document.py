"""A YAML file of its own beside the configuration: a suite of evals, promises. Read as strictly."""

from pathlib import Path

from llmctl.config.finding import ordered
from llmctl.config.resolve import Resolved, resolve
from llmctl.config.secrets import Environment
from llmctl.config.yaml import parse
from llmctl.errors import ConfigError


def read_document(path: Path, env: Environment, absent: str) -> Resolved:
    """Its values, references resolved. `absent` says what to do where there is no such file. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file; {absent}"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError([f"{path}: cannot be read ({reason})"]) from None
    root, findings = parse(text, str(path))
    if root is None or findings:
        raise ConfigError(ordered(findings), [path])
    return resolve(root, env)
