"""`llmctl eval --ab --experiment NAME --traces DIR`: the arms of an experiment on live traffic, from records."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmctl.commands.eval_compare import print_comparison
from llmctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from llmctl.evals.comparison import Comparison
    from llmctl.evals.suite import DecisionConfig
    from llmctl.model.record import Record


def compare_experiment(
    name: str,
    traces: Path,
    config: "DecisionConfig",
    *,
    arms: tuple[str, str] | None = None,
    scores: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    json: bool = False,
) -> "Comparison":
    """Prints what records say of the experiment's two arms, and returns it.

    `since` and `until` bound the records, also those of before the experiment. Raises UsageError for an experiment or
    arm that is not there, CheckFailed (exit 3) where the split of subjects is broken, after printing.
    """
    from llmctl.commands.traces import filter_of, reading
    from llmctl.evals.experiment import compare_arms

    wanted = filter_of(since, until, None, None, None, None)
    with reading(traces) as reader:

        def read() -> "Iterator[Record]":
            return reader.read(wanted)

        try:
            found = compare_arms(read, name, config, arms=arms, scores=scores)
        except ValueError as error:
            raise UsageError(f"{traces}: {error}") from None
    print_comparison(found, json=json)
    if found.blocked:
        raise CheckFailed(found.verdict)
    return found
