"""What `assess-level` is handed of a drill: figures, and the raw results they can be computed from again."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from llmctl.chaos.outcome import Outcome
from llmctl.chaos.report import UPTIME, held, uptime

GOOD_FOR = 7 * 86400.0


def evidence(
    outcomes: Sequence[Outcome],
    files: Sequence[Path],
    artifacts: Sequence[Path],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """One piece of evidence. `files` are the experiments; `about` has command, host and git's commit, epoch times.

    Raises OSError where a file is gone.
    """
    figures, ended = uptime(outcomes), max((one.end for one in outcomes), default=0.0)
    passed = held(outcomes) and figures["share"] is not None and figures["low"] >= UPTIME
    return {
        "check": "uptime",
        "status": "pass" if passed else "fail",
        "score": 1.0 if passed else 0.0,
        "estimate": figures["share"],
        "interval": [figures["low"], figures["high"]],
        "n": figures["requests"],
        "reason": _reason(outcomes, figures),
        **about,
        "config_digest": sha256(b"".join(file.read_bytes() for file in files)).hexdigest(),
        "artifacts": [{"path": str(path), "sha256": sha256(path.read_bytes()).hexdigest()} for path in artifacts],
        "started": min((one.start for one in outcomes), default=0.0),
        "ended": ended,
        "expires": ended + GOOD_FOR,
    }


def _reason(outcomes: Sequence[Outcome], figures: Mapping[str, Any]) -> str:
    bad = [one.name for one in outcomes if not one.passed]
    if figures["share"] is None:
        return "no experiment ran in which a sound provider remained"
    said = f"{figures['answered']} of {figures['requests']} answered in {len(outcomes)} drills"
    return f"{said}; these did not pass: {', '.join(bad)}" if bad else said
