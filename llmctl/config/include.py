"""Reading the root file and what it includes, and merging them into one tree."""

from dataclasses import dataclass, field
from pathlib import Path

from llmctl.config.finding import Finding, KeyPath, Mark
from llmctl.config.resolve import interpolate
from llmctl.config.secrets import Environment
from llmctl.config.yaml import MAX_CHARACTERS, Mapping, Scalar, Sequence, parse

Texts = dict[Path, str]


@dataclass(slots=True)
class Gathered:
    """`root` is None where a file could not be read at all; `sources` are all files tried, for watching.

    `texts` is what stood in those that could be read.
    """

    root: Mapping | None = None
    sources: list[Path] = field(default_factory=list)
    texts: dict[Path, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    readable: bool = True


def gather(path: Path, env: Environment, kept: Texts | None = None) -> Gathered:
    """`path` and everything it includes, merged. Never raises: what is wrong is in `findings`.

    Of files that are in `kept` that text is taken, whatever stands in them now.
    """
    gathered = Gathered()
    gathered.root = _Gatherer(gathered, env, kept or {}).file(path, Mark(str(path), 1), ())
    return gathered


class _Gatherer:
    def __init__(self, gathered: Gathered, env: Environment, kept: Texts) -> None:
        self.kept = kept
        self.gathered = gathered
        self.env = env
        self.seen: dict[Path, Mark] = {}

    def file(self, path: Path, asked: Mark, above: tuple[Path, ...]) -> Mapping | None:
        """The merged content of one file; `asked` is where it was asked for, `above` the files that include it."""
        key: KeyPath = ("include",) if above else ()
        if (why := self._repeated(path, asked, above)) or (text := self._text(path, asked, key)) is None:
            self.gathered.findings.extend([Finding(asked, key, why)] if why else [])
            return None
        root, findings = parse(text, str(path))
        self.gathered.findings.extend(findings)
        if root is None:
            self.gathered.readable = False
            return None
        for at, name in self._includes(root):
            below = self.file(path.parent / name, at, (*above, _real(path)))
            if below is not None:
                self._merge(root, below, ())
        return root

    def _repeated(self, path: Path, asked: Mark, above: tuple[Path, ...]) -> str:
        real = _real(path)
        if real in above:
            return f"{path} includes itself, directly or through others; remove one include"
        if real in self.seen:
            return f"{path} is already included at {self.seen[real]}; remove one"
        self.seen[real] = asked
        return ""

    def _text(self, path: Path, asked: Mark, key: KeyPath) -> str | None:
        self.gathered.sources.append(path)
        try:
            if (text := self.kept.get(path)) is None:
                with path.open("rb") as file:
                    text = file.read(4 * MAX_CHARACTERS + 1).decode("utf-8-sig")
            self.gathered.texts[path] = text
            return text
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            found = Finding(Mark(str(path), line), (), "this is not UTF-8; save the file as UTF-8")
        except FileNotFoundError:
            hint = "correct the path" if key else "`llmctl init` writes a working gateway.yaml; -c names another file"
            found = Finding(asked, key, f"there is no file {path}; {hint}")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            found = Finding(asked, key, f"{path} cannot be read ({reason})")
        self.gathered.findings.append(found)
        self.gathered.readable = False
        return None

    def _includes(self, root: Mapping) -> list[tuple[Mark, str]]:
        if (entry := root.entries.pop("include", None)) is None:
            return []
        mark, node = entry
        if not isinstance(node, Sequence) or not all(isinstance(item, Scalar) for item in node.items):
            message = "write a list of files, such as [policies/limits.yaml]"
            self.gathered.findings.append(Finding(mark, ("include",), message))
            return []
        files = []
        for item in node.items:
            assert isinstance(item, Scalar)
            name, problems = interpolate(item.text, self.env)
            self.gathered.findings.extend(Finding(item.mark, ("include",), p) for p in problems)
            if not problems:
                files.append((item.mark, name))
        return files

    def _merge(self, into: Mapping, other: Mapping, path: KeyPath) -> None:
        for key, (mark, node) in other.entries.items():
            if key not in into.entries:
                into.entries[key] = (mark, node)
                continue
            first, present = into.entries[key]
            if isinstance(present, Mapping) and isinstance(node, Mapping):
                # A copy: the node may be shared with an alias elsewhere in its file.
                merged = Mapping(present.mark, dict(present.entries))
                self._merge(merged, node, (*path, key))
                into.entries[key] = (first, merged)
            else:
                self.gathered.findings.append(Finding(mark, (*path, key), f"also set at {first}; keep one"))


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        # A circular link, or a name that no file can have; opening it will say so.
        return path.absolute()
