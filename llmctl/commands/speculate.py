"""`llmctl speculate`: predict, flags, bench."""

import shlex
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmctl.commands.options import JsonOption, print_json
from llmctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from llmctl.model.record import Record
    from llmctl.providers.speculative import DraftOptions, NgramOptions
    from llmctl.reports.speculation import Interval, Prediction

app = typer.Typer(help="Speculative decoding: predict, set up, measure.", no_args_is_help=True)

TOKENS = (
    "Tokens are the built-in 32,000 word pieces, for which any white space is one space: not the model's own. Its "
    "tokenizer gives somewhat other figures, for code and indented text above all."
)
LOAD = (
    "Tokens a step are a bound for the time saved, not the time itself: judging guesses takes work too. It is saved "
    "where the engine has calculating power to spare; under load, or on a small machine, wrong guesses slow it down."
)
OTHERS = (
    "Only guessing from the text so far is simulated: what a smaller model would guess cannot be told from records."
)

KindOption = Annotated[
    Literal["ngram", "draft"], typer.Option("--kind", help="Guess from the text so far, or with a smaller model.")
]
TokensOption = Annotated[
    int | None, typer.Option("--max-tokens", help="Most tokens guessed in a step. Default: 8; of a smaller model 4.")
]
MatchOption = Annotated[
    int | None, typer.Option("--min-match", help="So many last tokens must have been there before. Default: 3.")
]
ModelOption = Annotated[
    str | None, typer.Option("--draft-model", metavar="MODEL", help="The smaller model: a GGUF file, or vLLM's name.")
]
ProbabilityOption = Annotated[
    float | None, typer.Option("--min-probability", help="Stop guessing at a token less probable than this.")
]


@app.command()
def predict(
    traces: Annotated[Path, typer.Option("--traces", metavar="DIR", help="Folder of the record store.")] = Path(
        ".llmctl/records"
    ),
    route: Annotated[str | None, typer.Option("--route", metavar="NAME", help="Asked for by this name.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Asked for, routed to, or served by this model.")
    ] = None,
    max_tokens: TokensOption = None,
    min_match: MatchOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many records.")] = 5000,
    json: JsonOption = False,
) -> None:
    """Simulate guessing from the text so far over recorded prompts and answers, by route and model.

    Says `enable` where the whole 95% interval of tokens a step is at least 1.3.
    """
    from llmctl.commands.traces import reading
    from llmctl.embedding.static import load
    from llmctl.providers.speculative import NgramOptions, for_llama
    from llmctl.reports.speculation import pairs, predict
    from llmctl.telemetry.reader import Filter

    options = _options("ngram", max_tokens=max_tokens, min_match=min_match)
    assert isinstance(options, NgramOptions)
    try:
        for_llama(options)
    except ValueError as error:
        raise UsageError(str(error)) from None
    pieces = load().pieces
    left_out: dict[str, int] = {}
    with reading(traces) as reader:
        wanted = (one for one in reader.newest(Filter(model=model)) if route is None or one.requested_model == route)
        found = pairs(_watched(islice(wanted, limit)), lambda text: memoryview(pieces.encode(text)).cast("H"), left_out)
        predictions = predict(found, options.max_tokens, options.min_match)
    told = {"traces": str(traces), "max_tokens": options.max_tokens, "min_match": options.min_match}
    told["tokens"], told["left_out"] = TOKENS, left_out
    if json:
        print_json({**told, "predictions": [_figures(one) for one in predictions], "notes": [LOAD, OTHERS]})
        return
    for line in _lines(predictions, options, left_out):
        print(line)


@app.command()
def flags(
    engine: Annotated[Literal["vllm", "llama-server"], typer.Option("--engine", help="Whose flags.")] = "vllm",
    kind: KindOption = "ngram",
    draft_model: ModelOption = None,
    max_tokens: TokensOption = None,
    min_match: MatchOption = None,
    min_probability: ProbabilityOption = None,
    json: JsonOption = False,
) -> None:
    """Print the flags that turn speculation on, for a shell. For `kind: local` set `speculative:` on the provider."""
    from llmctl.providers.speculative import flags as flags_of

    options = _options(
        kind, model=draft_model, max_tokens=max_tokens, min_match=min_match, min_probability=min_probability
    )
    try:
        arguments = flags_of(options, engine)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if json:
        print_json({"engine": engine, "arguments": arguments})
    else:
        print(shlex.join(arguments))


@app.command()
def bench(
    kind: KindOption = "ngram",
    path: Annotated[
        Path | None, typer.Option("--path", metavar="GGUF", help="The model. Default: the packaged small one.")
    ] = None,
    draft_model: ModelOption = None,
    max_tokens: TokensOption = None,
    min_match: MatchOption = None,
    min_probability: ProbabilityOption = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=100, help="Ask everything so many times.")] = 2,
    tokens: Annotated[int, typer.Option("--answer-tokens", min=2, max=1024, help="Longest answer, in tokens.")] = 96,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=256, help="As for `kind: local`.")] = None,
    json: JsonOption = False,
) -> None:
    """Load the local model twice, with and without speculation, and ask both the same twelve questions, greedily.

    Exit code 3 if an answer differs in any token: speculation must not change what is said.
    """
    from llmctl.commands.speculate_bench import run

    options = _options(
        kind, model=draft_model, max_tokens=max_tokens, min_match=min_match, min_probability=min_probability
    )
    tell(run(str(path) if path else None, threads, options, rounds, tokens, _progress), json=json)


def tell(found: dict[str, Any], *, json: bool) -> None:
    """Print what `bench` measured. Raises CheckFailed where answers differ."""
    if json:
        print_json(found)
    else:
        for line in _measured(found):
            print(line)
    if not found["lossless"]:
        raise CheckFailed(
            f"not lossless: {len(found['differing'])} of {found['questions']['all']['n']} questions had other answers; "
            "leave speculation off, and tell llama.cpp's developers"
        )


def _options(kind: str, **given: Any) -> "NgramOptions | DraftOptions":
    from pydantic import TypeAdapter, ValidationError

    from llmctl.providers.speculative import SpeculativeOptions

    adapter: TypeAdapter[NgramOptions | DraftOptions] = TypeAdapter(SpeculativeOptions)
    try:
        return adapter.validate_python({"kind": kind, **{k: v for k, v in given.items() if v is not None}})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][-1])
        option = "--draft-model" if name == "model" else f"--{name.replace('_', '-')}"
        if first["type"] == "missing":
            raise UsageError(f"--kind {kind} needs {option}") from None
        if first["type"] == "extra_forbidden":
            raise UsageError(f"{option} has no meaning for --kind {kind}; leave it out") from None
        raise UsageError(f"{option}: {first['msg'].replace('Input should be', 'must be')}") from None


def _figures(one: "Prediction") -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(one), "verdict": one.verdict}


def _lines(found: "list[Prediction]", options: "NgramOptions", left_out: dict[str, int]) -> Iterator[str]:
    from llmctl.reports.text import table

    if found:
        yield (
            f"Guesses of up to {options.max_tokens} tokens where the last {options.min_match} were there before, over "
            f"{sum(one.n for one in found):,} records. Intervals are of 95%, by record."
        )
        titles = ("ROUTE", "MODEL", "", "N", "GUESSES RIGHT", "", "STEPS WITH ONE", "TOKENS/STEP", "", "BY FORMULA")
        yield table(titles, map(_row, found), left=3).rstrip("\n")
        yield OTHERS
        yield TOKENS
        yield LOAD
    else:
        yield "no recorded prompts with answers; a record store with `content: none` keeps none"
    if left_out:
        yield "left out: " + ", ".join(f"{count:,} {why}" for why, count in sorted(left_out.items()))


def _row(one: "Prediction") -> list[str]:
    right = "none" if one.acceptance is None else f"{one.acceptance:.1%}"
    judged = _range(one.acceptance_interval, "{:.1%}")
    steps = _range(one.tokens_per_step_interval, "{:.2f}")
    figures = [right, judged, f"{one.coverage:.1%}", f"{one.tokens_per_step:.2f}", steps, f"{one.by_formula:.2f}"]
    return [one.route, one.model, one.verdict, f"{one.n:,}", *figures]


def _range(interval: "Interval", form: str) -> str:
    return "(too few)" if interval is None else f"({form.format(interval[0])} to {form.format(interval[1])})"


def _measured(found: dict[str, Any]) -> Iterator[str]:
    from llmctl.reports.text import table

    every = found["questions"]["all"]
    same = "the same, token for token" if found["lossless"] else "NOT the same:"
    yield f"{found['model']}: {every['n']} questions, {found['rounds']} times each, greedy. Answers are {same}"
    yield from (f"  {' '.join(question.split())[:100]}" for question in found["differing"])
    rows = []
    for name, one in found["questions"].items():
        ratio = one["ratio"]
        low, high = ratio["interval"]
        speeds = [f"{one[key]['value']:.1f}" for key in ("tokens_per_s_without", "tokens_per_s")]
        guesses = f"{one['accepted']:,} of {one['drafted']:,}"
        shown = f"{ratio['value']:.2f} ({low:.2f} to {high:.2f})", f"{one['whole_call_ratio']['value']:.2f}"
        rows.append([name, str(one["n"]), guesses, f"{one['tokens_per_step'] or 0:.2f}", *speeds, *shown])
    titles = ("QUESTIONS", "N", "GUESSES RIGHT", "TOKENS/STEP", "TOKENS/S WITHOUT", "WITH", "RATIO", "WHOLE CALLS")
    yield table(titles, rows, left=1).rstrip("\n")
    if not every["drafted"]:
        yield "Nothing was guessed; the engine's log says why (a draft model may not fit, matches may be too long)."
    elif every["ratio"]["value"] < 1:
        yield "Speculation made it slower here; leave it off on this machine, or guess fewer tokens."
    yield LOAD


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}")
        sys.stderr.flush()


def _watched(records: "Iterator[Record]") -> "Iterator[Record]":
    for at, record in enumerate(records, 1):
        if at % 500 == 0:
            _progress(f"{at:,} records")
        yield record
