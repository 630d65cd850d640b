"""Guards of installed packages, found by entry point."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmctl.clock import SystemClock
from llmctl.guards.base import About, GuardOptions
from llmctl.guards.plugins import find
from llmctl.net.pool import Pool

MODULE = '''
from llmctl.guards.base import ALLOW, GuardOptions, Verdict


class Typed:
    """Has Options of our kind."""

    class Options(GuardOptions):
        word: str

    directions = frozenset({"output"})

    def __init__(self, options):
        if options.word == "explode":
            raise RuntimeError("no such word")
        self.word = options.word

    def judge(self, text, about):
        return Verdict("block", 1.0, "word", "word") if self.word in text else ALLOW


class Plain:
    def __init__(self, word="x"):
        self.word = word

    async def judge(self, text, about):
        return Verdict("warn", 0.5, "word", "word") if self.word in text else ALLOW


class Odd:
    pass
'''
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install("dist", houserules="acme_plugin:Typed")` puts a package with entry points on the path."""
    (tmp_path / "acme_plugin.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "acme_plugin", raising=False)

    def install(dist: str, **entries: str) -> None:
        info = tmp_path / f"{dist}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[llmctl.guards]\n{lines}")

    return install


def made(kind: str, **options: Any) -> Any:
    plugin = find(kind)
    assert plugin is not None
    assert issubclass(plugin.Options, GuardOptions)
    return plugin(plugin.Options.model_validate(options), Pool(SystemClock()))


async def test_a_plugin_with_options_of_our_kind(install: Install) -> None:
    install("acme", houserules="acme_plugin:Typed")
    guard = made("houserules", word="rye")
    assert (await guard.judge("rye", About("output"))).outcome == "block"
    assert (await guard.judge("bread", About("output"))).outcome == "allow"
    assert type(guard).directions == {"output"}
    guard.close()
    guard.close()
    with pytest.raises(ValueError, match="extra"):
        made("houserules", word="rye", nonsense=1)
    with pytest.raises(ValueError, match="RuntimeError: no such word"):
        made("houserules", word="explode")


async def test_a_plugin_without_options(install: Install) -> None:
    install("acme", plain="acme_plugin:Plain")
    guard = made("plain", word="rye")
    assert (await guard.judge("rye", About())).outcome == "warn"
    guard.close()
    with pytest.raises(ValueError, match="nonsense"):
        made("plain", nonsense=1)


def test_nothing_is_imported_before_it_is_named(install: Install) -> None:
    install("acme", houserules="acme_plugin:Typed")
    assert find("nosuchkind") is None
    assert "acme_plugin" not in sys.modules
    assert find("houserules") is not None
    assert "acme_plugin" in sys.modules


@pytest.mark.parametrize(
    ("value", "says"),
    [("acme_plugin:Gone", "has no Gone"), ("nosuchmodule:X", "nosuchmodule"), ("json:x.y", "has no x")],
)
def test_a_plugin_that_cannot_be_loaded_names_its_package(install: Install, value: str, says: str) -> None:
    install("acme", houserules=value)
    with pytest.raises(ValueError, match=f"guard houserules of acme .*{says}"):
        find("houserules")


def test_a_plugin_that_is_no_guard(install: Install) -> None:
    install("acme", odd="acme_plugin:Odd")
    with pytest.raises(ValueError, match="no guard that we can ask"):
        made("odd")


def test_two_packages_of_one_kind_are_refused(install: Install) -> None:
    install("acme", houserules="acme_plugin:Typed")
    install("bcme", houserules="acme_plugin:Plain")
    with pytest.raises(ValueError, match=r"2 packages.*acme.*bcme.*uninstall"):
        find("houserules")
