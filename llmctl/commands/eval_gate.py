"""`llmctl eval --gate`: prints what the gate says and fails the build where it does not hold."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from llmctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from llmctl.evals.gate import Gate
    from llmctl.evals.suite import GateConfig
    from llmctl.scoring.result import Result


def check_gate(
    results: "Mapping[str, Sequence[Result]]", config: "GateConfig | None", *, allow_inconclusive: bool = False
) -> "list[Gate]":
    """What the gate says of each variant's results, told on stderr.

    Raises UsageError where the suite has no gate, CheckFailed (exit 3) where it fails, and also where too few items
    were asked to tell, unless that is allowed.
    """
    from llmctl.evals.comparison_text import plain
    from llmctl.evals.gate import gates

    if config is None:
        raise UsageError("--gate: the suite has no `gate`; add one, such as gate: {metric: score, least: 0.8}")
    try:
        found = gates(results, config)
    except ValueError as error:
        raise UsageError(str(error)) from None
    for one in found:
        print(f"gate: {plain(one.words)}", file=sys.stderr)
    closed = [one for one in found if not one.holds(allow_inconclusive=allow_inconclusive)]
    if closed:
        hint = ""
        if all(one.verdict == "inconclusive" for one in closed):
            hint = "; ask more items, or pass --allow-inconclusive"
        told = ", ".join(f"{plain(one.variant)} {one.verdict}" for one in closed)
        raise CheckFailed(f"the gate does not hold: {told}{hint}")
    return found
