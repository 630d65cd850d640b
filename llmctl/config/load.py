"""From a file's path to a checked configuration. Nothing here opens a connection or imports an extension."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from llmctl.config.checks import Complaint, advise, cross_check, typed_check
from llmctl.config.digest import digest
from llmctl.config.explain import explain
from llmctl.config.finding import Finding, KeyPath, Mark, nearest_mark, ordered
from llmctl.config.include import gather
from llmctl.config.resolve import Resolved, resolve
from llmctl.config.schema import Config
from llmctl.config.secrets import Environment, is_secret, secret_values
from llmctl.errors import ConfigError

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where it came from.

    `tree` is what the files say, resolved, without defaults; `digest` is the policy digest; `sources` are the
    files to watch, and `texts` what stood in them; `secrets` are literal values for telemetry to redact; `warnings` are
    complete lines.
    """

    path: Path
    config: Config = field(repr=False)
    tree: dict[str, Any] = field(repr=False)
    digest: str
    sources: tuple[Path, ...]
    secrets: frozenset[str] = field(repr=False)
    warnings: tuple[str, ...]
    marks: Mapping[KeyPath, Mark] = field(repr=False)
    texts: Mapping[Path, str] = field(repr=False)

    def where(self, path: KeyPath) -> str:
        """`file:line` of a key, or of the closest thing above it that stands in a file."""
        return str(nearest_mark(self.marks, path))

    def finding(self, path: KeyPath, message: str) -> str:
        """A complete line, `file:line: key: message`."""
        return str(Finding(nearest_mark(self.marks, path), path, message))


def load(path: Path, env: Environment, kept: Mapping[Path, str] | None = None) -> Loaded:
    """Read, resolve and check. Raises ConfigError with every finding at once.

    `kept` are texts to take in place of what stands in those files now.
    """
    gathered = gather(path, env, dict(kept or {}))
    if gathered.root is None or not gathered.readable:
        raise ConfigError(ordered(gathered.findings), gathered.sources)
    resolved = resolve(gathered.root, env)
    config, found = _validated(resolved)
    findings = [*gathered.findings, *resolved.findings, *(f for f in found if not _under(f.path, resolved.unknown))]
    if findings or config is None:
        raise ConfigError(ordered(findings), gathered.sources)
    return Loaded(
        path=path,
        config=config,
        tree=resolved.tree,
        digest=digest(resolved.tree),
        sources=tuple(gathered.sources),
        secrets=secret_values(resolved.tree),
        warnings=tuple(ordered(_warnings(resolved))),
        marks=resolved.marks,
        texts=gathered.texts,
    )


def decode(model: type[M], raw: dict[str, Any], loaded: Loaded, prefix: KeyPath) -> M:
    """`raw`, which stands at `prefix`, as strictly as the rest of the file. Raises ConfigError."""
    try:
        return _strict(model, raw)
    except ValidationError as error:
        raise ConfigError(findings(error, loaded, prefix, model)) from None


def findings(
    error: ValidationError, loaded: Loaded, prefix: KeyPath = (), model: type[BaseModel] | None = None
) -> list[str]:
    """Complete lines for what pydantic found in the part at `prefix`; with `model`, unknown keys are corrected."""
    return ordered(explain(error, loaded.marks, prefix, model))


def _strict(model: type[M], raw: dict[str, Any]) -> M:
    # JSON mode: strict about `yes` and "8080", yet text may become a time, which Python mode refuses.
    return model.model_validate_json(json.dumps(raw), strict=True)


def _validated(resolved: Resolved) -> tuple[Config | None, list[Finding]]:
    found = _placed(cross_check(resolved.tree), resolved)
    try:
        config = _strict(Config, resolved.tree)
    except ValidationError as error:
        return None, [*found, *explain(error, resolved.marks, (), Config)]
    return config, [*found, *_placed(typed_check(config), resolved)]


def _placed(complaints: Iterable[Complaint], resolved: Resolved) -> list[Finding]:
    return [Finding(nearest_mark(resolved.marks, path), path, message) for path, message in complaints]


def _under(path: KeyPath, tops: set[KeyPath]) -> bool:
    return any(path[:length] in tops for length in range(len(path) + 1))


def _warnings(resolved: Resolved) -> list[Finding]:
    warnings = _placed(advise(resolved.tree), resolved)
    for path, mark in resolved.marks.items():
        literal = path not in resolved.referring and isinstance(_at(resolved.tree, path), str)
        parent = str(path[-2]) if len(path) > 1 else ""
        if literal and isinstance(path[-1], str) and is_secret(path[-1], parent):
            message = "a secret stands in the file; write ${VAR} and set it in the environment"
            warnings.append(Finding(mark, path, message))
    return warnings


def _at(tree: Any, path: KeyPath) -> Any:
    for part in path:
        tree = tree[part]
    return tree
