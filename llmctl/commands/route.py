"""`llmctl route`: explain, bench, train, experiments."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmctl.commands.options import ConfigOption, JsonOption, config_path, print_json
from llmctl.commands.route_experiments import experiments
from llmctl.errors import UsageError

if TYPE_CHECKING:
    from llmctl.commands.route_rows import Row
    from llmctl.routing.complexity_model import ComplexityModel, Explanation, Pull

app = typer.Typer(help="Why a model was chosen; fit and measure what judges prompts.", no_args_is_help=True)

SHIPPED = "shipped"
SHOWN = 5

DataOption = Annotated[
    Path, typer.Option("--data", help="JSON lines, also gzipped: prompt, and true or false for each model's name.")
]
RecordsOption = Annotated[
    Path | None,
    typer.Option("--traces", metavar="DIR", help="Rows may have the id of a record here instead of its prompt."),
]
WeakOption = Annotated[str, typer.Option("--weak", help="The cheap model's name in the rows.")]
StrongOption = Annotated[str, typer.Option("--strong", help="The good model's name in the rows.")]
ModelOption = Annotated[
    Path | None, typer.Option("--model", metavar="FILE", help="What `route train` wrote, or 'shipped'.")
]


@app.command()
def explain(
    text: Annotated[str | None, typer.Argument(help="The prompt. Default: --file, else what comes on stdin.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the prompt from this file.")] = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    route: Annotated[
        str | None, typer.Option("--route", metavar="NAME", help="Say what the configuration's route does with it.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Print a prompt's complexity: score, tier, and which features and words pull it where.

    With --route: that route's candidates, what it chooses and why, as if every model were well. Connects to nothing.
    """
    if route is not None:
        if model is not None:
            raise UsageError("--route uses the model that the configuration names: leave --model out")
        _explain_route(config_path(config), route, _text(text, file), json)
        return
    found = _model(model)
    said = found.explain(_text(text, file))
    if json:
        print_json(_plain(said, found.weights.tiers))
        return
    one, (simple, complex_) = said.complexity, found.weights.tiers
    print(f"tier       {one.tier}  (medium from {simple:+.3f}, complex from {complex_:+.3f})")
    print(f"score      {one.score:+.3f}: strong right {one.strong:.0%}, weak right {one.weak:.0%}")
    for title, pulls in (("surface", said.surface), ("words", said.words)):
        for pull in pulls[:SHOWN]:
            value = "" if pull.value is None else f"  = {pull.value:.3g}"
            print(f"{title:<10} {pull.pull:+.4f}  {pull.feature}{value}")
            title = ""


def _explain_route(config: Path, route: str, text: str, json: bool) -> None:
    from llmctl.commands.route_explain import explained, lines

    said = explained(config, route, text)
    if json:
        print_json(said)
        return
    for line in lines(said):
        print(line)


@app.command()
def bench(
    data: DataOption,
    weak: WeakOption,
    strong: StrongOption,
    folds: Annotated[int, typer.Option(min=2, max=100, help="Fit and measure apart, in so many folds.")] = 5,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="FILE", help="Measure this model, or 'shipped', and fit none."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, max=100_000, help="Of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    traces: RecordsOption = None,
    json: JsonOption = False,
) -> None:
    """Measure routing on recorded outcomes: APGR, CPT, savings, with 95% intervals and the random router beside.

    Without --model by cross-validation: each prompt's score is of a model fitted to the other folds.
    """
    from llmctl.commands import route_rows
    from llmctl.routing.complexity_fit import fingerprint
    from llmctl.routing.evaluate import routing

    rows = route_rows.read(data, strong, weak, traces)
    found = None if model is None else _model(model)
    mark = fingerprint([row.prompt for row in rows])
    seen = found is not None and mark in found.weights.about.get("fingerprints", ())
    scores = _scores(rows, folds) if found is None else [found.judge(row.prompt).score for row in rows]
    right, cheap = [row.strong for row in rows], [row.weak for row in rows]
    try:
        report = routing(scores, right, cheap, resamples=resamples, seed=seed)
    except ValueError as error:
        raise UsageError(f"{data}: {error}; are --weak {weak} and --strong {strong} the right way round?") from None
    figures = route_rows.figures(report)
    how: dict[str, Any] = {"folds": folds} if model is None else {"model": str(model), "fitted_to_these_rows": seen}
    if seen:
        print(f"warning: {model} was fitted to these rows; leave --model out for an honest figure", file=sys.stderr)
    if json:
        print_json({"data": str(data), "weak": weak, "strong": strong, **how, **figures})
        return
    for line in route_rows.lines(figures):
        print(line)


@app.command()
def train(
    data: DataOption,
    weak: WeakOption,
    strong: StrongOption,
    output: Annotated[Path, typer.Option("--output", "-o", help="Write the model to this file.")],
    traces: RecordsOption = None,
    json: JsonOption = False,
) -> None:
    """Fit the complexity model to recorded outcomes. Half of the rows become simple, a fifth complex."""
    from llmctl.commands import route_rows
    from llmctl.embedding import StaticEmbedder
    from llmctl.routing import complexity_fit, complexity_model

    rows = route_rows.read(data, strong, weak, traces)
    if len(rows) < complexity_fit.MIN_ROWS:
        raise UsageError(f"{data}: has {len(rows)} rows; give at least {complexity_fit.MIN_ROWS}, better a thousand")
    prompts = [row.prompt for row in rows]
    found = complexity_fit.features(prompts, StaticEmbedder())
    marks = [complexity_fit.fingerprint(prompts)]
    about = {"weak": weak, "strong": strong, "rows": len(rows), "fingerprints": marks}
    weights = complexity_fit.fit(found, *_labels(rows), about=about)
    try:
        output.write_text(complexity_model.dump(weights), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output: {output}: cannot be written: {error.strerror}") from None
    simple, complex_ = weights.tiers
    if json:
        print_json({"output": str(output), **about, "tiers": {"medium_from": simple, "complex_from": complex_}})
        return
    print(f"{output}: fitted to {len(rows)} rows; medium from {simple:+.3f}, complex from {complex_:+.3f}")
    print(f"how good it is: llmctl route bench --data {data} --weak {weak} --strong {strong}")


app.command()(experiments)


def _scores(rows: "Sequence[Row]", folds: int) -> Any:
    from llmctl.embedding import StaticEmbedder
    from llmctl.routing import complexity_fit

    if len(rows) < complexity_fit.MIN_ROWS:
        raise UsageError(f"--data: has {len(rows)} rows; to fit a model give at least {complexity_fit.MIN_ROWS}")
    prompts = [row.prompt for row in rows]
    found = complexity_fit.features(prompts, StaticEmbedder())
    return complexity_fit.out_of_fold(found, *_labels(rows), complexity_fit.folds(prompts, folds))


def _labels(rows: "Sequence[Row]") -> tuple[Any, Any]:
    import numpy as np

    return np.array([row.strong for row in rows]), np.array([row.weak for row in rows])


def _model(path: Path | None) -> "ComplexityModel":
    from llmctl.routing.complexity_model import load

    try:
        return load(None if path is None or str(path) == SHIPPED else path)
    except OSError as error:
        raise UsageError(f"--model: {path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"--model: {error}") from None


def _text(text: str | None, file: Path | None) -> str:
    if text is not None and file is not None:
        raise UsageError("give the prompt or --file, not both")
    if text is not None:
        return text
    try:
        return (file.read_bytes() if file is not None else sys.stdin.buffer.read()).decode()
    except OSError as error:
        raise UsageError(f"--file: {file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file or 'stdin'}: is not UTF-8 at byte {error.start}") from None


def _plain(said: "Explanation", tiers: tuple[float, float]) -> dict[str, Any]:
    one = said.complexity
    return {
        "score": round(one.score, 5),
        "tier": one.tier,
        "strong": round(one.strong, 5),
        "weak": round(one.weak, 5),
        "tiers": {"medium_from": tiers[0], "complex_from": tiers[1]},
        "surface": [_pull(pull) for pull in said.surface],
        "words": [_pull(pull) for pull in said.words],
    }


def _pull(pull: "Pull") -> dict[str, Any]:
    value = {} if pull.value is None else {"value": round(pull.value, 5)}
    return {"feature": pull.feature, **value, "pull": round(pull.pull, 5)}
