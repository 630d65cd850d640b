"""The rules of the code's shape that neither ruff, mypy nor import-linter can state. See CONTRIBUTING.md."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("llmctl", "tests", "bench", "tools", "training")
MAX_FILE = 400
MAX_FUNCTION = 50
BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}

# Tests stand in the mirrored file: llmctl/a/b.py in tests/a/test_b.py or test_b_*.py, and a part of a module beside it
# (b_stream.py) may be tested as the whole (test_b.py). What is tested elsewhere is listed here.
COVERED_BY = {
    "llmctl/guards/base.py": "tests/guards/test_contract.py",
    "llmctl/gateway/leases.py": "tests/gateway/test_reload.py",
    "llmctl/commands/serve.py": "tests/integration/test_process.py",
    "llmctl/gateway/client.py": "tests/gateway/test_pipeline.py",
    "llmctl/gateway/stages/read.py": "tests/gateway/test_pipeline.py",
    "llmctl/model/json.py": "tests/model/test_chat.py",
    "llmctl/net/transport.py": "tests/net/test_pool.py",
    "llmctl/providers/base.py": "tests/providers/test_contract.py",
    "llmctl/routing/base.py": "tests/routing/test_contract.py",
    "llmctl/scoring/base.py": "tests/scoring/test_contract.py",
    "llmctl/server/dialect.py": "tests/server/test_openai.py",
    "llmctl/server/runtime.py": "tests/integration/test_process.py",
    "llmctl/telemetry/segments.py": "tests/telemetry/test_store.py",
    "llmctl/telemetry/semconv.py": "tests/telemetry/test_metrics.py",
    "llmctl/telemetry/series.py": "tests/telemetry/test_metrics.py",
    "llmctl/testing/asking.py": "tests/gateway/test_guarded.py",
    "llmctl/testing/config.py": "tests/gateway/test_build.py",
    "llmctl/testing/gateway.py": "tests/gateway/test_pipeline.py",
    "llmctl/testing/process.py": "tests/integration/test_process.py",
}

# Entry points of child processes: they own their process, so they may read its environment and end it.
CHILDREN = ("llmctl/providers/local_child.py", "llmctl/testing/")

ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv", "os.unsetenv"}
EXITS = {"sys.exit", "os._exit", "os.abort", "exit", "quit", "SystemExit"}
SERIALIZERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
COMMAND_LINE = {"typer", "click", "argparse"}
TIME = {"time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter"}
TIME |= {"time.perf_counter_ns", "datetime.now", "datetime.utcnow", "datetime.datetime.now", "datetime.date.today"}

Finder = Callable[[ast.Module], Iterator[tuple[int, str]]]


@cache
def sources() -> dict[str, ast.Module]:
    """Every Python file of ours, by its path from the root."""
    files = [ROOT / "cli.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_bytes(), str(path)) for path in files}


def package() -> dict[str, ast.Module]:
    return {name: tree for name, tree in sources().items() if name.startswith("llmctl/")}


def dotted(node: ast.AST) -> str:
    """`a.b.c` for such an expression, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every module imported and every name imported from one, as `module` and `module.name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def uses(names: set[str]) -> Finder:
    """Finds reads of these dotted names, and `from x import y` of them."""

    def find(tree: ast.Module) -> Iterator[tuple[int, str]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and (name := dotted(node)) in names:
                yield node.lineno, name
        yield from ((line, name) for line, name in imported(tree) if name in names)

    return find


def imports(packages: set[str]) -> Finder:
    """Finds imports of these top-level packages."""

    def find(tree: ast.Module) -> Iterator[tuple[int, str]]:
        yield from ((line, name) for line, name in imported(tree) if name.partition(".")[0] in packages)

    return find


def long_functions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Finds functions over the limit, from `def` to their last line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION:
                yield node.lineno, f"{node.name} has {lines} lines, {MAX_FUNCTION} at most"


def unexplained_skips(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Finds skip, skipif and xfail, as marks or calls, that give no reason."""
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        name = dotted(node)
        mark = name.startswith("pytest.mark.") and name.rpartition(".")[2] in ("skip", "skipif", "xfail")
        if not mark and name not in ("pytest.skip", "pytest.xfail"):
            continue
        call = called.get(id(node))
        reasons = [keyword.value for keyword in call.keywords if keyword.arg == "reason"] if call else []
        if call and not name.endswith("skipif") and not name.startswith("pytest.mark.xfail"):
            reasons += call.args[:1]
        if not any(not isinstance(reason, ast.Constant) or reason.value for reason in reasons):
            yield getattr(node, "lineno", 0), f"{name} without a reason"


def findings(find: Finder, trees: dict[str, ast.Module], *, allowed: tuple[str, ...] = ()) -> list[str]:
    """`file:line: what` for every finding outside the allowed files and folders."""
    return [
        f"{name}:{line}: {what}"
        for name, tree in trees.items()
        if not name.startswith(allowed or ("//",))
        for line, what in find(tree)
    ]


def none_of(found: list[str]) -> None:
    """Fails with every finding on a line of its own, which pytest's own message would cut short."""
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_files_are_short() -> None:
    lengths = {name: len((ROOT / name).read_bytes().splitlines()) for name in sources()}
    none_of([f"{name} has {length} lines, {MAX_FILE} at most" for name, length in lengths.items() if length > MAX_FILE])


def test_functions_are_short() -> None:
    none_of(findings(long_functions, sources()))


def test_names_say_what_is_inside() -> None:
    none_of([name for name in sources() if BANNED_NAMES & set(name.removesuffix(".py").split("/"))])


def test_skips_and_xfails_give_a_reason() -> None:
    tests = {name: tree for name, tree in sources().items() if name.startswith("tests/")}
    none_of(findings(unexplained_skips, tests))


def test_only_secrets_reads_the_environment() -> None:
    none_of(findings(uses(ENVIRONMENT), package(), allowed=("llmctl/config/secrets.py", *CHILDREN)))


def test_only_commands_exit_or_parse_a_command_line() -> None:
    allowed = ("llmctl/commands/", *CHILDREN)
    none_of(findings(uses(EXITS), package(), allowed=allowed))
    none_of(findings(imports(COMMAND_LINE), package(), allowed=allowed))


def test_only_the_clock_reads_time() -> None:
    none_of(findings(uses(TIME), package(), allowed=("llmctl/clock.py", *CHILDREN)))


def test_nothing_is_pickled() -> None:
    none_of(findings(imports(SERIALIZERS), package()))


def mirrors(name: str) -> list[Path]:
    """The test files of a module of ours that exist."""
    if name in COVERED_BY:
        return [path for path in [ROOT / COVERED_BY[name]] if path.is_file()]
    module = Path(name.removeprefix("llmctl/"))
    folder = ROOT / "tests" / module.parent
    whole = module.stem.split("_")[0]
    return [
        *folder.glob(f"test_{module.stem}.py"),
        *folder.glob(f"test_{module.stem}_*.py"),
        *folder.glob(f"test_{whole}.py"),
    ]


def test_every_module_has_tests() -> None:
    modules = [name for name in package() if not name.endswith("/__init__.py")]
    none_of([f"{name} is gone: take it out of COVERED_BY" for name in COVERED_BY if name not in modules])
    none_of([f"{name} has no tests where test_shape.py looks for them" for name in modules if not mirrors(name)])


@pytest.mark.parametrize(
    ("find", "source", "count"),
    [
        (uses(ENVIRONMENT), "import os\nos.environ['A']\nos.getenv('A')", 2),
        (uses(ENVIRONMENT), "from os import environ", 1),
        (uses(EXITS), "import sys\nsys.exit(1)\nraise SystemExit(2)", 2),
        (uses(TIME), "import time\nstarted = time.monotonic()", 1),
        (uses(TIME), "clock.monotonic(); loop.time()", 0),
        (imports(SERIALIZERS), "import pickle\nfrom shelve import open", 3),
        (imports(SERIALIZERS), "from .pickle import x\nimport msgspec", 0),
        (unexplained_skips, "@pytest.mark.skip\ndef test_a(): ...", 1),
        (unexplained_skips, "@pytest.mark.skipif(True)\ndef test_a(): ...", 1),
        (unexplained_skips, "@pytest.mark.xfail(reason='')\ndef test_a(): ...", 1),
        (unexplained_skips, "@pytest.mark.skipif(True, reason='no wrk')\ndef test_a(): pytest.skip(f'no {x}')", 0),
        (long_functions, "def f():\n" + "    pass\n" * MAX_FUNCTION, 1),
        (long_functions, "def f():\n" + "    pass\n" * (MAX_FUNCTION - 1), 0),
    ],
)
def test_the_finders_find(find: Finder, source: str, count: int) -> None:
    assert len(list(find(ast.parse(source)))) == count
