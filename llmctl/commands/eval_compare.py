"""`llmctl eval compare`: two variants of results that are there; and how every comparison is printed."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmctl.commands.options import JsonOption, print_json
from llmctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from llmctl.evals.comparison import Comparison
    from llmctl.evals.results.read import Results
    from llmctl.scoring.result import Result

Kind = Literal["superiority", "non_inferiority", "equivalence"]
Require = Literal["better", "not-worse"]
_ENOUGH = {"better": {"B"}, "not-worse": {"B", "equivalent", "non-inferior"}}


def compare_(
    first: Annotated[Path, typer.Argument(metavar="RESULTS.jsonl", help="What `llmctl eval` or `replay` wrote.")],
    second: Annotated[
        Path | None, typer.Argument(metavar="[OTHER.jsonl]", help="Where B's results are, if not in the same file.")
    ] = None,
    ab: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--ab", metavar="A B", help="Variants: A is what there is, B the candidate. Default: the only two."
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="`score`, `passed`, or a metric's name.")] = "score",
    also: Annotated[list[str] | None, typer.Option(help="More primary metrics, corrected by Holm.")] = None,
    by: Annotated[list[str] | None, typer.Option("--slice", help="Columns whose values are looked at apart.")] = None,
    margin: Annotated[float | None, typer.Option(help="Differences smaller than this do not matter.")] = None,
    kind: Annotated[Kind, typer.Option(help="The question; the last two need --margin.")] = "superiority",
    confidence: Annotated[float, typer.Option(min=0.51, max=0.9999, help="Of the intervals.")] = 0.95,
    require: Annotated[
        Require | None, typer.Option(help="Exit 3 unless B is shown to be better, or not worse by the margin.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare two variants over the same items, from results that are there: nothing is asked anew."""
    from pydantic import ValidationError

    from llmctl.evals.compare import compare
    from llmctl.evals.results.read import read_results
    from llmctl.evals.suite import DecisionConfig

    asked: dict[str, Any] = {"metric": metric, "also": also or [], "slices": by or [], "margin": margin}
    results = read_results(first)
    a, b = _sides(results, read_results(second) if second is not None else results, ab)
    try:
        config = DecisionConfig.model_validate({**asked, "kind": kind, "confidence": confidence})
        found = compare(a, b, config, seed=results.run.seed)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise UsageError(f"--{wrong['loc'][0]}: {wrong['msg']}") from None
    except ValueError as error:
        raise UsageError(str(error).replace("decide.", "--")) from None
    print_comparison(found, json=json)
    if require is not None and found.kind not in _ENOUGH[require]:
        raise CheckFailed(f"--require {require}: {found.verdict}")


def _sides(first: "Results", second: "Results", ab: tuple[str, str] | None) -> "tuple[list[Result], list[Result]]":
    """Both sides' results. Raises UsageError where it is not clear which."""
    if ab is None:
        there = first.variants if first is second else [*first.variants[:2], *second.variants[:2]]
        if len(there) != 2:
            raise UsageError(f"there are the variants {', '.join(there)}; name A and B with --ab A B")
        ab = there[0], there[1]
    for results, name in zip((first, second), ab, strict=True):
        if name not in results.variants:
            raise UsageError(f"--ab: there is no variant {name!r}; there are {', '.join(results.variants)}")
    return first.of(ab[0]), second.of(ab[1])


def print_comparison(comparison: "Comparison", *, json: bool = False) -> None:
    """On stdout: JSON, a table in a terminal, plain aligned text in a pipe or where NO_COLOR is set."""
    from llmctl.evals import comparison_text as text
    from llmctl.evals.comparison import as_json

    if json:
        print_json(as_json(comparison))
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal or console.no_color:
        sys.stdout.write(text.as_text(comparison))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for at, name in enumerate(text.HEADER):
        table.add_column(name, justify="left" if at in text.LEFT else "right")
    for row in text.rows(comparison):
        table.add_row(*(Text(text.plain(cell)) for cell in row))
    for line in text.head(comparison):
        console.print(Text(text.plain(line)))
    console.print(table)
    verdict, *cautions = text.foot(comparison)
    console.print(Text(text.plain(verdict), style="bold red" if comparison.blocked else "bold"))
    for line in cautions:
        console.print(Text(text.plain(line), style="yellow"))
