"""White space that means nothing, taken out: what is left says the same, byte for byte within strings and words."""

import re
from collections.abc import Sequence

import msgspec

from llmctl.compress.units import Kind, Unit, blocks
from llmctl.model.json import UNDECODABLE, decode

# Both begin with the space, which a search finds at once, and look back at what stands before it.
_RUN = re.compile(r"[ \t](?<=\S[ \t])[ \t]+(?=\S)")
_ALIGNED = re.compile(r" (?<=[^\s.!?:;,] ) +\S| (?<=\S ) {2,}\S")
_LITERAL = re.compile(r"[`\"=<>{}\\|]")  # a line that quotes something, or may be code all the same
_IDLE = re.compile(r"[ \t]{2}|[ \t]\n|\n\n\n|[ \t\n]\Z|^[ \t]*[{\[]", re.MULTILINE)
_TEXT: frozenset[Kind] = frozenset({"prose", "passage", "item", "turn", "heading"})


def minify(text: str) -> str:
    """JSON in its shortest spelling if the text is JSON, else the text without idle white space; never longer."""
    return minify_json(text) or minify_text(text)


def minify_json(text: str) -> str | None:
    """The same JSON without white space between its tokens: numbers, strings, keys and their order keep their spelling.

    None for what is no JSON object or list.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        raw = text.encode()
        decode(raw)
        return msgspec.json.format(raw, indent=-1).decode()
    except (*UNDECODABLE, UnicodeEncodeError):
        return None


def minify_text(text: str, found: Sequence[Unit] | None = None) -> str:
    """The text without runs of spaces, trailing spaces and more than one blank line, outside of code and tables.

    Words, their order, line breaks, paragraphs and indentation stay. Left as they are: columns aligned by spaces, lines
    that quote something, Markdown's hard breaks (two spaces at a line's end), text with carriage returns. JSON within
    the text is written shortest. `found` are the text's blocks where they are known.
    """
    if "\r" in text or not _IDLE.search(text):
        return text
    return (
        "".join([_block(text[unit.start : unit.end], unit.kind) for unit in (blocks(text) if found is None else found)])
        or text
    )


def _block(text: str, kind: Kind) -> str:
    body = text.rstrip(" \t\n")
    after = text[len(body) :]
    # The line break that ends a block and one blank line say all that white space says.
    wide = "\n\n" if after.count("\n") > 1 else "\n" if "\n" in after else ""
    if kind == "json":
        return (minify_json(body) or body) + wide
    lines = body.split("\n")
    if kind not in _TEXT or sum(1 for line in lines if "  " in line and _ALIGNED.search(line)) > 1:
        return text
    hard = "  " if wide == "\n" and after.startswith("  ") else ""
    return "\n".join([_line(line) for line in lines]) + hard + wide


def _line(line: str) -> str:
    kept = line.rstrip(" \t")
    hard = "  " if kept and line[len(kept) :].startswith("  ") else ""
    wide = "  " in kept or "\t" in kept  # spares most lines both patterns
    return (_RUN.sub(" ", kept) if wide and not _LITERAL.search(kept) else kept) + hard
