"""From a suite's path to a checked suite: every mistake at once, `file:line: key: what to do`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from llmctl.config.document import read_document
from llmctl.config.explain import explain, nearest
from llmctl.config.finding import Finding, KeyPath, Mark, nearest_mark, ordered
from llmctl.config.resolve import Resolved
from llmctl.config.secrets import Environment
from llmctl.config.section import Section
from llmctl.errors import ConfigError
from llmctl.evals.promptfoo import from_promptfoo, imported, refused
from llmctl.evals.prompts import Prompt, UnfitPrompt
from llmctl.evals.recorded import RecordedOptions
from llmctl.evals.suite import SuiteConfig, VariantConfig
from llmctl.evals.targets import TABLE

ABSENT = "configs/evals/quickstart.yaml is one to copy"
S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Suite:
    """A checked suite. `targets`, `prompts` and `variants` are its own, decoded; defaults are filled in."""

    path: Path
    config: SuiteConfig
    targets: Mapping[str, Section]
    prompts: Mapping[str, Prompt]
    variants: Mapping[str, VariantConfig]
    resolved: Resolved = field(repr=False)

    @property
    def folder(self) -> Path:
        """Paths in it are from here."""
        return self.path.parent

    def finding(self, path: KeyPath, message: str) -> str:
        """A complete line, `file:line: key: message`."""
        return str(Finding(nearest_mark(self.resolved.marks, path), path, message))


def load_suite(path: Path, env: Environment) -> Suite:
    """Read and check. Raises ConfigError with every finding at once."""
    resolved = _of_promptfoo(path) if from_promptfoo(path) else read_document(path, env, ABSENT)
    try:
        config = strict(SuiteConfig, resolved.tree)
    except ValidationError as error:
        found = explain(error, resolved.marks, (), SuiteConfig)
        raise ConfigError(ordered([*resolved.findings, *found]), [path]) from None
    checking = _Checking(config, resolved)
    targets, prompts = checking.targets(), checking.prompts()
    variants = checking.variants(targets)
    if checking.findings:
        raise ConfigError(ordered(checking.findings), [path])
    return Suite(path, config, targets, prompts, variants, resolved)


def _of_promptfoo(path: Path) -> Resolved:
    """Its suite; everything in it stands in that file. Raises ConfigError, which lists all that is unsupported."""
    found = imported(path)
    if found.unsupported:
        raise refused(path, found.unsupported)
    return Resolved(found.tree, {(): Mark(str(path), 1)})


def strict(model: type[S], raw: Mapping[str, Any]) -> S:
    """As strictly as configurations are read. Raises ValidationError."""
    return model.model_validate_json(json.dumps(raw), strict=True)


class _Checking:
    """What pydantic cannot see."""

    def __init__(self, config: SuiteConfig, resolved: Resolved) -> None:
        self._config, self._resolved = config, resolved
        self.findings = list(resolved.findings)

    def targets(self) -> dict[str, Section]:
        """Every target's options, decoded."""
        found: dict[str, Section] = {}
        for name, given in self._config.targets.items():
            at: KeyPath = ("targets", name)
            model = TABLE.get(given.kind)
            if model is None:
                self._add((*at, "kind"), f"no such kind of target{nearest(given.kind, list(TABLE))}")
                continue
            try:
                found[name] = strict(model, given.options)
            except ValidationError as error:
                self.findings += explain(error, self._resolved.marks, at, model)
        if not self._config.targets:
            self._add(("targets",), "give one at least: who answers")
        return found

    def prompts(self) -> dict[str, Prompt]:
        """Every prompt, compiled."""
        found = {}
        for name, raw in self._config.prompts.items():
            try:
                found[name] = Prompt(raw)
            except UnfitPrompt as error:
                self._add(("prompts", name), str(error))
        return found

    def variants(self, targets: Mapping[str, Section]) -> dict[str, VariantConfig]:
        """The suite's, or every target but judges with every prompt. Answers in files have no prompt to choose."""
        names = list(self._config.prompts)
        if not self._config.variants:
            found = {}
            judges = {"judge", *(str((one.model_extra or {}).get("judge")) for one in self._config.scorers)}
            for target in [name for name in targets if name not in judges] or self._config.targets:
                if len(names) < 2 or isinstance(targets.get(target), RecordedOptions):
                    found[target] = VariantConfig(target=target, prompt=names[0] if names else None)
                    continue
                found |= {f"{target}-{name}": VariantConfig(target=target, prompt=name) for name in names}
            return found
        return {name: self._variant(name, one, targets) for name, one in self._config.variants.items()}

    def _variant(self, name: str, given: VariantConfig, targets: Mapping[str, Section]) -> VariantConfig:
        names = list(self._config.prompts)
        at: KeyPath = ("variants", name)
        if given.target not in self._config.targets:
            hint = nearest(given.target, list(self._config.targets))
            self._add((*at, "target"), f"there is no target {given.target!r}{hint}")
        if given.prompt is not None and given.prompt not in names:
            self._add((*at, "prompt"), f"there is no prompt {given.prompt!r}{nearest(given.prompt, names)}")
        if given.prompt is None and len(names) == 1:
            return given.model_copy(update={"prompt": names[0]})
        if given.prompt is None and len(names) > 1 and not isinstance(targets.get(given.target), RecordedOptions):
            self._add((*at, "prompt"), f"say which of {', '.join(names)}")
        return given

    def _add(self, path: KeyPath, message: str) -> None:
        self.findings.append(Finding(nearest_mark(self._resolved.marks, path), path, message))
