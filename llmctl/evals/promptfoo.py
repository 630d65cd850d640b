"""promptfoo's configurations as suites of ours. What has no equal here is listed, `file:line: what`; never dropped.

Source: https://www.promptfoo.dev/docs/configuration/reference/
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from llmctl.config.explain import explain
from llmctl.config.finding import KeyPath, Mark
from llmctl.errors import ConfigError
from llmctl.evals.datasets.base import Item, open_dataset
from llmctl.evals.datasets.inline import Inline, InlineOptions
from llmctl.evals.promptfoo_assertions import JUDGED, NOT, Unsupported, assertions
from llmctl.evals.promptfoo_files import FILE, YAML, Tree, local, text_of_file, tree_of
from llmctl.evals.promptfoo_providers import JUDGE, named, provider
from llmctl.evals.promptfoo_tests import KNOWN, Test, spread, tests_of, variables_of
from llmctl.evals.suite import SuiteConfig

KEYS = frozenset({"providers", "targets", "tests", "evaluateOptions", "defaultTest", "commandLineOptions"})
"""By which a file is known to be promptfoo's; suites have `name` and `dataset`."""
READ = frozenset({"description", "prompts", "providers", "targets", "tests", "defaultTest", "evaluateOptions"})
HARMLESS = frozenset({"tags", "$schema", "sharing", "outputPath", "writeLatestResults", "metadata"})
"""They change nothing of what is measured."""
ID = "promptfoo_test"
ASSERTIONS = "promptfoo_assertions"
COLUMNS = {name: f"promptfoo_{name}" for name in ("assertions", "cluster", "expected", "context", "messages", "tools")}
"""Where suites look for what promptfoo's variables may be called too, and mean nothing by."""
PROGRAM = re.compile(
    r"exec:.*|[^\s{}]+\.[A-Za-z]{1,8}:\w+|[^\s{}]*\*[^\s{}]*\.\w+|[^\s{}]+\.(?:py|js|mjs|cjs|ts|sh|prompt)"
)
PREFIX, SUFFIX = "promptfoo_prefix", "promptfoo_suffix"


class Imported(NamedTuple):
    """A suite as its YAML would hold it, and what is not in it."""

    tree: dict[str, Any]
    unsupported: list[str]


def is_promptfoo(tree: Mapping[str, Any]) -> bool:
    """Whether a YAML file's values are promptfoo's, and no suite of ours."""
    return bool(
        (KEYS - {"targets"}) & tree.keys() or ("prompts" in tree and isinstance(tree["prompts"], list | str))
    ) and (not {"name", "dataset"} & tree.keys())


def from_promptfoo(path: Path) -> bool:
    """Whether a file is promptfoo's. One that cannot be read as YAML is not known to be, and no error here."""
    try:
        found = tree_of(path).value
    except ConfigError:
        return False
    return isinstance(found, dict) and is_promptfoo(found)


def suite_of(path: Path) -> tuple[SuiteConfig, list[Item], list[str]]:
    """The suite, its items with their own scorers, and what is unsupported. Raises ConfigError."""
    tree, unsupported = imported(path)
    try:
        config = SuiteConfig.model_validate(tree)
    except ValidationError as error:
        marks: dict[KeyPath, Mark] = {(): Mark(str(path), 1)}
        raise ConfigError([str(one) for one in explain(error, marks, (), SuiteConfig)], [path]) from None
    options = InlineOptions.model_validate(config.dataset.options)
    return config, list(open_dataset(Inline(), options, path.parent)), unsupported


def imported(path: Path) -> Imported:
    """Read it. Raises ConfigError for what cannot be read at all, or has nothing to run."""
    tree = tree_of(path)
    if not isinstance(tree.value, dict):
        raise ConfigError([f"{path}:1: must hold keys, such as prompts, providers and tests"], [path])
    reading = _Reading(path, tree)
    return Imported(reading.suite(), reading.missing)


def refused(path: Path, unsupported: list[str]) -> ConfigError:
    """The error that lists all that is unsupported."""
    return ConfigError(
        [*unsupported, f"{path}: {len(unsupported)} unsupported; --skip-unsupported goes on without them"], [path]
    )


@dataclass(slots=True)
class _Reading:
    """One file. `judges` are targets that judge, by their name."""

    path: Path
    tree: Tree
    missing: list[str] = field(default_factory=list)
    judges: dict[str, dict[str, Any]] = field(default_factory=dict)
    wrapped: bool = False
    thresholds: set[float | None] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        return self.path.parent

    def suite(self) -> dict[str, Any]:
        raw = self.tree.value
        for key in raw.keys() - READ - HARMLESS:
            self._miss((key,), key)
        default = self._default()
        targets = self._targets(raw)
        items = self._items(raw, default)
        prompts = self._prompts(raw)
        if not targets or not prompts or not items:
            lacking = [
                name for name, had in (("providers", targets), ("prompts", prompts), ("tests", items)) if not had
            ]
            said = f"{self.path}: nothing is left to run: no {', no '.join(lacking)} that are supported"
            raise ConfigError([*self.missing, said], [self.path])
        found: dict[str, Any] = {
            "name": named(self.path.stem if self.path.stem != "promptfooconfig" else self.path.resolve().parent.name),
            "description": str(raw.get("description") or ""),
            "dataset": {"kind": "inline", "id": ID, **COLUMNS, "items": items},
            "prompts": prompts,
            "targets": {**targets, **self.judges},
            "variants": {
                (target if len(prompts) == 1 else f"{target}-{name}"): {"target": target, "prompt": name}
                for target in targets
                for name in prompts
            },
            **self._options(raw.get("evaluateOptions") or {}),
        }
        if len(self.thresholds) == 1 and (only := next(iter(self.thresholds))) is not None:
            found["threshold"] = only
        elif self.thresholds - {None}:
            self._miss(("tests",), "tests with different thresholds; a suite has one")
        return found

    def _options(self, raw: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in raw.items() if isinstance(raw, dict) else ():
            if key == "maxConcurrency" and isinstance(value, int):
                found.setdefault("run", {})["concurrency"] = value
            elif key == "repeat" and isinstance(value, int):
                found["repeats"] = value
            elif key == "cache" and isinstance(value, bool):
                found.setdefault("run", {})["cache"] = value
            elif key not in ("showProgressBar", "generateSuggestions"):
                self._miss(("evaluateOptions", key), f"evaluateOptions.{key}")
        return found

    def _default(self) -> Test:
        raw = self.tree.value.get("defaultTest") or {}
        if not isinstance(raw, str | dict):
            self._miss(("defaultTest",), "defaultTest: neither a test nor a path of a file")
            raw = {}
        if isinstance(raw, str):
            below = tree_of(local(raw, self.folder))
            return Test(below.where(()), below.value if isinstance(below.value, dict) else {}, below)
        return Test(self.tree.where(("defaultTest",)), raw, self.tree, ("defaultTest",))

    def _targets(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        key = "providers" if "providers" in raw else "targets"
        if "providers" in raw and "targets" in raw:
            self._miss(("targets",), "targets beside providers; they mean the same, so give one")
        given = raw.get(key)
        if isinstance(given, dict) and "id" not in given:
            given = [{name: below} for name, below in given.items()]
        found: dict[str, Any] = {}
        for at, one in enumerate(given if isinstance(given, list) else [given] if given is not None else []):
            try:
                name, target = provider(one)
            except Unsupported as error:
                self._miss((key, at), str(error))
                continue
            while name in found:
                name = f"{name}-{at + 1}"
            found[name] = target
        return found

    def _prompts(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        given = raw.get("prompts")
        found: dict[str, Any] = {}
        for at, one in enumerate(given if isinstance(given, list) else [given] if given is not None else []):
            label = ""
            if isinstance(one, dict):
                if unknown := sorted(set(one) - {"id", "label", "raw"}):
                    self._miss(("prompts", at), f"prompts: {', '.join(unknown)}")
                label, one = str(one.get("label") or ""), one.get("raw") or one.get("id")
            for number, text in enumerate(self._prompt(("prompts", at), one)):
                name = named(label) if label and not number else f"prompt-{len(found) + 1}"
                found[name if name not in found else f"{name}-{len(found) + 1}"] = text
        return found

    def _prompt(self, at: KeyPath, one: Any) -> list[Any]:
        if not isinstance(one, str):
            self._miss(at, "prompts: neither a text nor a file")
            return []
        if PROGRAM.fullmatch(one.strip()):
            self._miss(at, f"prompts: from {one}")
            return []
        path = local(one, self.folder)
        text = one
        if one.startswith(FILE) or (one.endswith((".txt", ".json", ".yaml", ".yml", ".md")) and path.is_file()):
            if path.suffix not in (".txt", ".md", *YAML) or "*" in one:
                self._miss(at, f"prompts: from {one}")
                return []
            if path.suffix in (".yaml", ".yml"):
                return self._messages(at, tree_of(path).value)
            text = text_of_file(path)
            if path.suffix in (".txt", ".md") and not text.lstrip().startswith("["):
                parts = [part.strip() for part in f"\n{text}\n".split("\n---\n")]
                return [self._around(part) for part in parts if part]
        if text.lstrip().startswith("[") and '"role"' in text:
            try:
                return self._messages(at, json.loads(text))
            except ValueError:
                self._miss(at, "prompts: messages that are JSON only after they are rendered")
                return []
        return [self._around(text)]

    def _messages(self, at: KeyPath, value: Any) -> list[Any]:
        if not isinstance(value, list) or not all(isinstance(one, dict) and "role" in one for one in value):
            self._miss(at, "prompts: a file that is no list of messages")
            return []
        if self.wrapped:
            self._miss(at, "options.prefix and options.suffix with a prompt that is messages")
        return [value]

    def _around(self, text: str) -> str:
        return f"{{{{{PREFIX}}}}}{text}{{{{{SUFFIX}}}}}" if self.wrapped else text

    def _items(self, raw: Mapping[str, Any], default: Test) -> list[dict[str, Any]]:
        given = raw.get("tests", [{}])
        tests = list(tests_of(self.tree, ("tests",), given, self.folder, self.missing))
        every = self._known(default)
        shared = [] if not tests else self._assertions(default, every)
        variables = variables_of(default.raw.get("vars"), self.folder, default.at("vars"), self.missing)
        known = [self._known(test) for test in tests]
        self.wrapped = any(PREFIX in one or SUFFIX in one for one in (every, *known))
        items: list[dict[str, Any]] = []
        for test, own in zip(tests, known, strict=True):
            found = variables_of(test.raw.get("vars"), self.folder, test.at("vars"), self.missing)
            asserted = [*shared, *self._assertions(test, {**every, **own})]
            self.thresholds.add(self._threshold(test, default))
            around = {name: {**every, **own}.get(name, "") for name in (PREFIX, SUFFIX)} if self.wrapped else {}
            together = list(spread({**variables, **found}))
            for combination in together:
                row = {**combination, **around, ID: str(len(items))}
                if len(together) > 1:  # of one test: what goes for one is likely to go for the others
                    row[COLUMNS["cluster"]] = f"test {len(items) - together.index(combination)}"
                if test.raw.get("description"):
                    row.setdefault("description", str(test.raw["description"]))
                items.append({**row, ASSERTIONS: asserted})
        return items

    def _threshold(self, test: Test, default: Test) -> float | None:
        found = test.raw.get("threshold", default.raw.get("threshold"))
        if found is None or (isinstance(found, int | float) and 0 <= found <= 1):
            return found
        self.missing.append(f"{test.at('threshold')}: a threshold that is no number from 0 to 1")
        return None

    def _known(self, test: Test) -> dict[str, Any]:
        """What a test's options say; all else of it that has no equal is missed."""
        for key in test.raw.keys() - KNOWN:
            self.missing.append(f"{test.at(key)}: {key} of a test")
        found: dict[str, Any] = {}
        options = test.raw.get("options") or {}
        if not isinstance(options, dict):
            self.missing.append(f"{test.at('options')}: options that are no mapping")
        for key, value in options.items() if isinstance(options, dict) else ():
            if key in ("prefix", "suffix"):
                found[PREFIX if key == "prefix" else SUFFIX] = value
            elif key == "provider":
                found["judge"] = value
            else:
                self.missing.append(f"{test.at('options', key)}: options.{key}")
        return found

    def _assertions(self, test: Test, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        raw = test.raw.get("assert") or []
        for at, one in enumerate(raw if isinstance(raw, list) else [raw]):
            where = test.at("assert", at)
            if not isinstance(one, dict):
                self.missing.append(f"{where}: an assertion that is no mapping")
                continue
            try:
                made = assertions(self._read({k: v for k, v in one.items() if k != "provider"}), "judge")
                judges = {self._judge(one.get("provider", options.get("judge")))} if _judged(one) else set()
            except Unsupported as error:
                self.missing.append(f"{where}: {error}")
                continue
            for scorer in made:
                tree = scorer.model_dump(exclude_defaults=True)
                if "judge" in tree:
                    (tree["judge"],) = judges
                found.append(tree)
        return found

    def _read(self, one: dict[str, Any]) -> dict[str, Any]:
        """With a value from a file put in its place."""
        value = one.get("value")
        if isinstance(value, str) and value.startswith(FILE):
            path = local(value, self.folder)
            if path.suffix in YAML:
                return {**one, "value": tree_of(path).value}
            if path.suffix in (".txt", ".md"):
                return {**one, "value": text_of_file(path).strip()}
        return one

    def _judge(self, raw: Any) -> str:
        given = raw if raw is not None else JUDGE
        if isinstance(given, dict) and "text" in given:
            given = given["text"]
        found = provider(given)
        name = f"judge-{found.name}" if self.judges and found.target not in self.judges.values() else "judge"
        for known, target in self.judges.items():
            if target == found.target:
                return known
        self.judges[name] = found.target
        return name

    def _miss(self, at: KeyPath, what: str) -> None:
        self.missing.append(f"{self.tree.where(at)}: {what}")


def _judged(raw: Mapping[str, Any]) -> bool:
    if raw.get("type") == "assert-set":
        return any(_judged(one) for one in raw.get("assert") or [] if isinstance(one, dict))
    return str(raw.get("type")).removeprefix(NOT) in JUDGED
