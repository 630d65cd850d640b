"""Says exactly that."""

from typing import Any, ClassVar

from pydantic import Field

from llmctl.model.json import UNDECODABLE, decode
from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable


class EqualsOptions(ScorerOptions):
    """What it is to say."""

    value: Any = Field(None, description="The text, or JSON value. Default: the sample's expected.")
    ignore_case: bool = False
    strip: bool = Field(True, description="White space around both does not count.")


class Equals:
    """1 where the output is the value, else 0. A value that is no text is compared with the output's JSON.

    An expected list is one of several right answers, or all of it as JSON.
    """

    Options: ClassVar[type[ScorerOptions]] = EqualsOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where nothing is expected."""
        assert isinstance(options, EqualsOptions)
        value = sample.expected if options.value is None else options.value
        if value is None:
            raise Unscorable("nothing is expected: give `value`, or the dataset an expected column")
        several = [*value, value] if isinstance(value, list) and options.value is None else [value]
        same = any(_same(one, output.text, options) for one in several)
        return Score(float(same), reason="" if same else f"is not {_short(value)}")


def _same(value: Any, text: str, options: EqualsOptions) -> bool:
    if not isinstance(value, str):
        try:
            said: Any = decode(text)
            return type(said) is type(value) and bool(said == value)
        except (*UNDECODABLE, UnicodeEncodeError):
            return text.strip() == str(value)
    wanted: str = value
    if options.strip:
        wanted, text = wanted.strip(), text.strip()
    return wanted.casefold() == text.casefold() if options.ignore_case else wanted == text


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
