"""`llmctl eval export`: a results file in other formats."""

import json as json_
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from llmctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from llmctl.evals.comparison import Comparison
    from llmctl.evals.results.read import Results

Format = Literal["json", "csv", "junit", "html", "github", "inspect"]


def export_(
    path: Annotated[Path, typer.Argument(metavar="RESULTS.jsonl", help="What `llmctl eval` wrote.")],
    fmt: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help="json: figures; csv: a line per answer; junit; html: one page; github: Markdown, added to "
            "$GITHUB_STEP_SUMMARY where that is set; inspect: a log of Inspect, for one variant.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", "--output", "-o", metavar="FILE", help="Where to; otherwise stdout. For inspect also a folder."
        ),
    ] = None,
    ab: Annotated[
        tuple[str, str] | None,
        typer.Option("--ab", metavar="A B", help="Compare these variants in html and github. Default: where two are."),
    ] = None,
    variant: Annotated[str | None, typer.Option(help="Which one, for inspect, where there are several.")] = None,
) -> None:
    """Write a run's results in another format; foreign text is escaped for each."""
    from llmctl.evals.results.read import read_results

    results = read_results(path)
    if fmt == "inspect" and output is not None and output.is_dir():
        _write_logs(results, output, [variant] if variant is not None else results.variants)
        return
    text = write(results, fmt, ab=ab, variant=variant)
    if output is not None:
        _write(output, text)
    elif fmt == "github" and (summary := _summary_file()) is not None:
        from llmctl.evals.results.github import append_summary

        append_summary(summary, text)
        print(f"added to {summary}", file=sys.stderr)
    else:
        sys.stdout.write(text)


def write(results: "Results", fmt: Format, *, ab: tuple[str, str] | None = None, variant: str | None = None) -> str:
    """The document in this format. Raises UsageError for a variant that is not there."""
    if fmt == "json":
        from llmctl.evals.results import summary

        return json_.dumps(summary.as_json(results), indent=2, ensure_ascii=False) + "\n"
    if fmt == "csv":
        from llmctl.evals.results.table import as_csv

        return as_csv(results)
    if fmt == "junit":
        from llmctl.evals.results.junit import as_junit

        return as_junit(results)
    if fmt == "inspect":
        from llmctl.evals.results.inspect_log import as_inspect

        return json_.dumps(as_inspect(results, _only(results, variant)), indent=2, ensure_ascii=False) + "\n"
    comparison = _compared(results, ab)
    if fmt == "github":
        from llmctl.evals.results.github import as_markdown

        return as_markdown(results, comparison)
    from llmctl.evals.results.page import as_html

    return as_html(results, comparison)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from None


def _write_logs(results: "Results", folder: Path, variants: list[str]) -> None:
    """A log per variant, named as Inspect looks for them."""
    from llmctl.evals.results.inspect_log import file_name

    for variant in variants:
        text = write(results, "inspect", variant=variant)
        _write(folder / file_name(results, variant), text)


def _compared(results: "Results", ab: tuple[str, str] | None) -> "Comparison | None":
    from llmctl.evals.compare import compare
    from llmctl.evals.suite import DecisionConfig

    there = results.variants
    if ab is None and len(there) != 2:
        return None
    a, b = ab or (there[0], there[1])
    for name in (a, b):
        if name not in there:
            raise UsageError(f"--ab: there is no variant {name!r} in it; there are {', '.join(there)}")
    try:
        return compare(results.of(a), results.of(b), DecisionConfig(), names=(a, b), seed=results.run.seed)
    except ValueError as error:
        if ab is None:
            return None
        raise CheckFailed(str(error)) from None


def _only(results: "Results", variant: str | None) -> str:
    there = results.variants
    if variant is None and len(there) == 1:
        return there[0]
    if variant not in there:
        raise UsageError(f"--variant: a log of Inspect is of one; name one of {', '.join(there)}")
    return variant


def _summary_file() -> Path | None:
    from llmctl.config.secrets import Environment
    from llmctl.evals.results.github import VARIABLE

    named = Environment.of_process().get(VARIABLE)
    return Path(named) if named else None
