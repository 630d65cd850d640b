"""From a pattern to one for the beginnings of its matches: what at the end of a stream may still become a match.

For `ab+c` it is `(?:a(?:b*(?:b+(?:c)?)?)?)?`. RE2 syntax in, RE2 syntax out.
"""

import re

_FLAGS = re.compile(r"\(\?([imsU]+)\)")
_GROUP = re.compile(r"\((?:\?(?:P?<\w+>|(?P<flags>[imsU]*(?:-[imsU]+)?):))?(?!\?)")
_REPEAT = re.compile(r"(?:[*+?]|\{(?P<least>\d+)(?P<more>,(?P<most>\d*))?\})\??")
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\[^QE]|[^\]\\])*\]", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|[pP](?:\{\^?\w+\}|[A-Za-z])|[^QECxpP0-9])", re.DOTALL)

Piece = tuple[str, str]
"""A part of a pattern, and its beginnings that are not all of it."""


class NotUnderstood(ValueError):
    """The pattern has syntax that this module does not know; it may still be a good pattern."""


def begun(regex: str) -> str:
    """What every beginning of a match of `regex` matches, the empty one and the whole too. Raises NotUnderstood."""
    flags = _FLAGS.match(regex)
    reader = _Reader(regex, flags.end() if flags else 0)
    try:
        _, beginnings = reader.alternatives()
    except RecursionError:
        raise NotUnderstood("too deeply nested") from None
    if reader.at < len(regex):
        raise NotUnderstood("a parenthesis too many")
    return f"(?{flags[1] if flags else ''}:{beginnings})"


class _Reader:
    """Reads a pattern once, from left to right."""

    def __init__(self, regex: str, at: int) -> None:
        self._regex = regex
        self.at = at

    def alternatives(self) -> Piece:
        """Up to the closing parenthesis or the end."""
        found = [self._sequence()]
        while self._regex[self.at : self.at + 1] == "|":
            self.at += 1
            found.append(self._sequence())
        return "|".join(full for full, _ in found), "|".join(part for _, part in found)

    def _sequence(self) -> Piece:
        pieces: list[Piece] = []
        while self.at < len(self._regex) and self._regex[self.at] not in "|)":
            pieces.append(self._repeated(self._atom()))
        beginnings = ""
        for full, part in reversed(pieces):
            beginnings = f"(?:{part}|{full}{beginnings})" if part else f"(?:{full}{beginnings})?"
        return "".join(full for full, _ in pieces), beginnings

    def _atom(self) -> Piece:
        char = self._regex[self.at]
        if char == "(":
            group = _GROUP.match(self._regex, self.at)
            if group is None:
                raise NotUnderstood("a group of another kind")
            self.at = group.end()
            full, part = self.alternatives()
            if self._regex[self.at : self.at + 1] != ")":
                raise NotUnderstood("a group without an end")
            self.at += 1
            opened = f"(?{group['flags'] or ''}:"
            return f"{opened}{full})", f"{opened}{part})"
        form = {"[": _CLASS, "\\": _ESCAPE}.get(char)
        if form is None:
            self.at += 1
            return char, ""
        match = form.match(self._regex, self.at)
        if match is None:
            raise NotUnderstood(f"what follows {char}")
        self.at = match.end()
        return match.group(), ""

    def _repeated(self, atom: Piece) -> Piece:
        repeat = _REPEAT.match(self._regex, self.at)
        if repeat is None:
            return atom
        self.at = repeat.end()
        full, part = atom
        sign = repeat.group()[0]
        most = {"*": "", "+": "", "?": "1"}.get(sign, repeat["most"] if repeat["more"] else repeat["least"])
        before = "*" if most == "" else f"{{0,{int(most) - 1}}}" if int(most) > 1 else "{0}"
        return f"{full}{repeat.group()}", f"(?:{full}){before}{part}"
