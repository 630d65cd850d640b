"""promptfoo's tests as items: inline or in files, defaults filled in, lists of values spread out."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from llmctl.config.finding import KeyPath
from llmctl.evals.datasets.lines import csv_rows, jsonl_rows
from llmctl.evals.promptfoo_assertions import from_text
from llmctl.evals.promptfoo_files import FILE, YAML, Tree, local, text_of_file, tree_of

KNOWN = frozenset({"description", "vars", "assert", "threshold", "options", "metadata"})


class Test(NamedTuple):
    """One test. `where` is where it stands; `at` says where a key of it stands, as `file:line`."""

    where: str
    raw: Mapping[str, Any]
    tree: Tree | None = None
    path: KeyPath = ()

    def at(self, *path: str | int) -> str:
        """`file:line` of a key of it."""
        return self.tree.where((*self.path, *path)) if self.tree is not None else self.where


def tests_of(tree: Tree, path: KeyPath, raw: Any, folder: Path, missing: list[str]) -> Iterator[Test]:
    """All tests that `raw` holds or refers to. What cannot be read as such is named in `missing`."""
    for at, one in enumerate(raw) if isinstance(raw, list) else [(None, raw)]:
        place: KeyPath = path if at is None else (*path, at)
        if isinstance(one, str):
            yield from _of_file(one, tree.where(place), folder, missing)
        elif isinstance(one, dict) and "path" not in one:
            yield Test(tree.where(place), one, tree, place)
        else:
            missing.append(f"{tree.where(place)}: tests: neither a test nor a path of a file")


def spread(variables: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the values of those that are lists."""
    several = {name: value for name, value in variables.items() if isinstance(value, list)}
    for chosen in product(*several.values()):
        yield {**variables, **dict(zip(several, chosen, strict=True))}


def variables_of(raw: Any, folder: Path, where: str, missing: list[str]) -> dict[str, Any]:
    """A test's variables, with texts of files read."""
    found: dict[str, Any] = {}
    if isinstance(raw, str) and raw.startswith(FILE) and raw.endswith(YAML):
        raw = tree_of(local(raw, folder)).value
    if not isinstance(raw, Mapping):
        if raw is not None:
            missing.append(f"{where}: vars: neither a mapping nor a YAML file")
        return found
    for name, value in raw.items():
        if "{{" in str(value):
            missing.append(f"{where}: vars.{name}: a template in a variable")
        if not isinstance(value, str) or not value.startswith(FILE):
            found[name] = value
            continue
        path = local(value, folder)
        if path.suffix in (".txt", ".md", ".html", ".csv", ""):
            found[name] = text_of_file(path)
        elif path.suffix in YAML:
            found[name] = tree_of(path).value
        else:
            missing.append(f"{where}: vars.{name}: from {value}")
    return found


def _of_file(given: str, where: str, folder: Path, missing: list[str]) -> Iterator[Test]:
    path = local(given, folder)
    if given.startswith(("huggingface:", "http://", "https://", "package:")) or "*" in given:
        missing.append(f"{where}: tests: from {given}")
    elif path.suffix == ".csv":
        for row in csv_rows(path):
            yield Test(row.where, _of_csv(row.where, row.columns, missing))
    elif path.suffix == ".jsonl":
        yield from (Test(row.where, row.columns) for row in jsonl_rows(path))
    elif path.suffix in YAML:
        tree = tree_of(path)
        yield from tests_of(tree, (), tree.value, path.parent, missing)
    else:
        missing.append(f"{where}: tests: from {given}")


def _of_csv(where: str, columns: Mapping[str, str], missing: list[str]) -> dict[str, Any]:
    """A record as a test. `__metric` and `__config:__expectedN:KEY` go to the assertions that they are about."""
    found: dict[str, Any] = {"vars": {}, "options": {}}
    asserted: dict[str, dict[str, Any]] = {}
    settings: list[tuple[str, str, str]] = []
    for name, value in columns.items():
        if not name.startswith("__"):
            found["vars"][name] = value
        elif not value.strip():
            continue
        elif name.startswith("__expected") and (name[10:].isdigit() or name == "__expected"):
            asserted[name[10:] or "1"] = from_text(value)
        elif name in ("__prefix", "__suffix"):
            found["options"][name[2:]] = value
        elif name == "__description":
            found["description"] = value
        elif name == "__threshold":
            found["threshold"] = _number(value)
        elif name == "__metric":
            settings.append(("", "metric", value))
        elif name.startswith("__config:__expected"):
            number, _, key = name.removeprefix("__config:__expected").partition(":")
            settings.append((number or "1", key, value))
        else:
            missing.append(f"{where}: column {name}")
    for number, key, value in settings:
        for one in asserted.values() if not number else [asserted[number]] if number in asserted else []:
            one.setdefault(key, value if key == "metric" else _number(value))
    found["assert"] = list(asserted.values())
    return found


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
