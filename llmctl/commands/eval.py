"""`llmctl eval SUITE`, and its verbs: power, compare, export, import."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from llmctl.commands.eval_compare import compare_
from llmctl.commands.eval_export import export_
from llmctl.commands.eval_import import import_
from llmctl.commands.eval_power import power_
from llmctl.commands.options import JsonOption

if TYPE_CHECKING:
    from llmctl.evals.suite import DecisionConfig

RUN, LIVE = "run", "experiment"
AbOption = Annotated[
    tuple[str, str] | None,
    typer.Option("--ab", metavar="A B", help="Run these two, and compare: A is what there is, B the candidate."),
]


class Evals(TyperGroup):
    """A group whose first word, where it is none of its verbs, is a suite to run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in Typer, with `run` put before a suite, and `experiment` where live traffic is compared."""
        return super().parse_args(ctx, _spelled(args, set(self.commands)))


def _spelled(args: Sequence[str], verbs: set[str]) -> list[str]:
    """The command line with its verb."""
    first = args[0] if args else "--help"
    if first in verbs or first in ("--help", "-h"):
        return list(args)
    if not any(arg == "--experiment" or arg.startswith("--experiment=") for arg in args):
        return [RUN, *args]
    # `--ab` alone: the experiment has two arms
    bare = {at for at, arg in enumerate(args) if arg == "--ab" and (args[at + 1 : at + 2] or ["-"])[0].startswith("-")}
    return [LIVE, *(arg for at, arg in enumerate(args) if at not in bare)]


app = typer.Typer(cls=Evals, help="Run evals: score variants over items, and compare them.")
app.command("power")(power_)
app.command("compare")(compare_)
app.command("export")(export_)
app.command("import")(import_)


@app.command(RUN)
def run_(
    suite: Annotated[Path, typer.Argument(metavar="SUITE.yaml", help="configs/evals/quickstart.yaml is one to copy.")],
    ab: AbOption = None,
    variant: Annotated[list[str] | None, typer.Option(help="Only this variant; several may be named.")] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="With --ab: stop as soon as there is an answer, at a sound interval.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many items.")] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(help="US dollars, judges included: ask nothing that may take the run over it. Over the suite's."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="For results.jsonl.", show_default=".llmctl/evals/results/…"),
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option("--resume/--fresh", help="Go on where the run was, or begin anew. Default: go on if unfinished."),
    ] = None,
    retry_errors: Annotated[bool, typer.Option("--retry-errors", help="Ask again what ended in an error.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Take no answers of earlier runs.")] = False,
    concurrency: Annotated[int | None, typer.Option(min=1, max=4096, help="Over the suite's.")] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 3 unless the suite's gate holds.")] = False,
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Of the gate: too few items to tell is no failure.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run a suite: ask every variant every item, score the answers, write them down, say what they come to.

    `llmctl eval SUITE.yaml` is the same. Killed or interrupted, it goes on where it was and pays for nothing twice.
    Exit codes: 1 an error, 2 usage, 3 the gate does not hold.
    """
    from llmctl.commands.eval_run import Wanted, run

    asked = Wanted(
        suite,
        ab,
        tuple(variant or ()),
        sequential,
        limit,
        max_cost,
        out,
        resume,
        retry_errors,
        not no_cache,
        concurrency,
    )
    run(asked, gate=gate, allow_inconclusive=allow_inconclusive, json=json)


@app.command(LIVE)
def experiment_(
    experiment: Annotated[str, typer.Option("--experiment", metavar="NAME", help="An experiment of the gateway.")],
    traces: Annotated[Path, typer.Option("--traces", metavar="DIR", help="Folder of the record store.")],
    ab: AbOption = None,
    metric: Annotated[str, typer.Option(help="`score`, `passed`, `cost`, `latency`, or a metric's name.")] = "score",
    margin: Annotated[float | None, typer.Option(help="Differences smaller than this do not matter.")] = None,
    confidence: Annotated[float, typer.Option(min=0.51, max=0.9999, help="Of the intervals.")] = 0.95,
    score: Annotated[list[str] | None, typer.Option(help="More metrics that online evals left in records.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Records from then on: 7d, or a time.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Records before then.")] = None,
    json: JsonOption = False,
) -> None:
    """Compare the arms of an experiment on live traffic: `llmctl eval --ab --experiment NAME --traces DIR`."""
    from llmctl.commands.eval_experiment import compare_experiment

    config = _decision(metric=metric, margin=margin, confidence=confidence)
    compare_experiment(experiment, traces, config, arms=ab, scores=score or (), since=since, until=until, json=json)


def _decision(**given: Any) -> "DecisionConfig":
    from llmctl.evals.suite import DecisionConfig

    return DecisionConfig.model_validate(given)
