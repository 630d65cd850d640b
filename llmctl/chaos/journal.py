"""An outcome as a journal of the Chaos Toolkit (chaostoolkit-lib 1.x), with the same keys, for its reports.

Source: chaoslib/run.py and https://chaostoolkit.org/reference/api/journal/. Times are UTC, without a zone, as there.
"""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from llmctl.chaos.method import Done
from llmctl.chaos.outcome import Outcome, Probed

SPOKEN = "1.0"
"""Version of the format that this is written after."""
_STATUS = {
    "passed": "completed",
    "failed": "completed",
    "not_run": "failed",
    "interrupted": "interrupted",
    "aborted": "aborted",
}


def journal(outcome: Outcome) -> dict[str, Any]:
    """The journal. `deviated` says that the steady state was not met afterwards, or a bar or an invariant broken."""
    return {
        "chaoslib-version": SPOKEN,
        "platform": platform.platform(),
        "node": platform.node(),
        "experiment": _experiment(outcome),
        "start": _time(outcome.start),
        "status": "failed" if _deviated(outcome) else _STATUS[outcome.status],
        "deviated": _deviated(outcome),
        "steady_states": {"before": _state(outcome.before), "after": _state(outcome.after), "during": []},
        "run": [_run(one) for one in outcome.run],
        "rollbacks": [_run(one) for one in outcome.rollbacks],
        "end": _time(outcome.end),
        "duration": outcome.seconds,
    }


def _deviated(outcome: Outcome) -> bool:
    return outcome.status == "failed"


def _experiment(outcome: Outcome) -> dict[str, Any]:
    return {
        "version": "1.0.0",
        "title": outcome.name,
        "description": outcome.description,
        "steady-state-hypothesis": {
            "title": "The gateway answers as it should",
            "probes": [_probe(one) for one in outcome.before],
        },
        "method": [_activity(one) for one in outcome.run],
        "rollbacks": [_activity(one) for one in outcome.rollbacks],
    }


def _activity(done: Done) -> dict[str, Any]:
    name = f"{done.action} {done.detail}".rstrip()
    arguments = {"action": done.action, "detail": done.detail}
    provider = {"type": "python", "module": "llmctl.chaos.actions", "func": "act", "arguments": arguments}
    return {"type": "action", "name": name, "provider": provider}


def _run(done: Done) -> dict[str, Any]:
    run = {
        "activity": _activity(done),
        "output": None,
        "start": _time(done.start),
        "status": "failed" if done.error else "succeeded",
        "end": _time(done.end),
        "duration": done.end - done.start,
    }
    return run | ({"exception": [done.error]} if done.error else {})


def _probe(probed: Probed) -> dict[str, Any]:
    tolerance: dict[str, Any] = {"type": "range", "range": [_bound(probed.at_least, 0.0), _bound(probed.at_most, 1e9)]}
    provider = {"type": "python", "module": "llmctl.chaos.run", "func": probed.probe}
    return {"type": "probe", "name": probed.probe, "tolerance": tolerance, "provider": provider}


def _bound(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _state(probes: Sequence[Probed]) -> dict[str, Any] | None:
    if not probes:
        return None
    return {
        "steady_state_met": all(one.met for one in probes),
        "probes": [
            {
                "activity": _probe(one),
                "output": one.value,
                "start": _time(one.start),
                "status": "succeeded",
                "end": _time(one.start),
                "duration": 0.0,
                "tolerance_met": one.met,
            }
            for one in probes
        ],
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
