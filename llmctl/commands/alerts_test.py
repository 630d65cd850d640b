"""`llmctl alerts test`: does an alert get to those who are to be told?"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmctl.commands.options import JsonOption, print_json

if TYPE_CHECKING:
    from llmctl.alerts.alert import Notice
    from llmctl.alerts.slo import Slos


def tell(
    config: Annotated[Path, typer.Option("--config", "-c", help="What is promised, and who is told.")] = Path(
        "configs/slo.yaml"
    ),
    severity: Annotated[
        Literal["page", "ticket"] | None, typer.Option(help="Only those who are told of these.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Send everybody a test alert from this machine, and resolve it. Exit status 1 if somebody was not told."""
    from llmctl.alerts.slo import load
    from llmctl.config.secrets import Environment
    from llmctl.errors import UsageError
    from llmctl.gateway.promises import served_histograms
    from llmctl.reports.text import table

    slos = load(config, Environment.of_process(), served_histograms())
    if severity is not None and severity not in slos.notify:
        raise UsageError(f"{config}: notify.{severity} tells nobody; add who is told, or leave --severity out")
    rows = asyncio.run(_ask(slos, [severity] if severity else list(slos.notify)))
    if json:
        print_json({"ok": all(row["ok"] for row in rows), "sinks": rows})
    else:
        cells = [[f"notify.{row['severity']}.{row['sink']}", _said(row)] for row in rows]
        print(table(["SINK", "RESULT"], cells, left=2), end="")
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


def _said(row: dict[str, Any]) -> str:
    told = ", ".join(row["steps"])
    result = f"ok ({told})" if row["ok"] else f"FAILED at {row['failed']}: {row['error']}"
    return "; ".join([result, *row["warnings"]])


async def _ask(slos: "Slos", severities: list[Literal["page", "ticket"]]) -> list[dict[str, Any]]:
    from llmctl.clock import SystemClock

    now = SystemClock().wall()
    asked = [
        _try(notice, kind, options)
        for severity in severities
        for notice in [_notice(slos, severity, now)]
        for kind, options in slos.notify[severity].given.items()
    ]
    return list(await asyncio.gather(*asked))


def _notice(slos: "Slos", severity: Literal["page", "ticket"], now: float) -> "Notice":
    from llmctl.alerts.alert import Alert, Notice

    alert = Alert(
        name="LlmctlTest",
        severity=severity,
        service=slos.service,
        slo="test",
        labels={"sent": str(int(now))},
        summary=f"{slos.service}: this is a test",
        description="Sent by `llmctl alerts test`. Nothing is wrong, and it is resolved at once.",
        runbook="runbooks/availability.md",
        value=0.0,
        since=now,
    )
    return Notice("trigger", alert, now)


async def _try(notice: "Notice", kind: str, options: Any) -> dict[str, Any]:
    """Trigger, acknowledge where somebody can be told that, and resolve; the first that fails is the last but one.

    What was triggered is resolved in any case.
    """
    import socket
    from dataclasses import replace

    from llmctl.alerts.sinks import TABLE
    from llmctl.alerts.sinks.base import Acknowledging, NotDelivered, Sink

    sink: Sink = TABLE[kind](options, socket.gethostname())
    row: dict[str, Any] = {"severity": notice.alert.severity, "sink": kind, "ok": True, "steps": []}
    row |= {"failed": None, "error": None, "warnings": _warnings(options)}
    steps: dict[str, Callable[[], Awaitable[None]]] = {"trigger": lambda: sink.deliver(notice)}
    if isinstance(sink, Acknowledging):
        steps["acknowledge"] = partial(sink.acknowledge, notice.alert)
    steps["resolve"] = lambda: sink.deliver(replace(notice, kind="resolve"))
    told = False
    for name, step in steps.items():
        if not row["ok"] and not (name == "resolve" and told):
            continue
        try:
            await step()
            row["steps"].append(name)
            told = True
        except NotDelivered as error:
            told = told or error.uncertain
            if row["ok"]:
                row |= {"ok": False, "failed": name, "error": error.message}
    await sink.close()
    return row


def _warnings(options: Any) -> list[str]:
    from llmctl.alerts.sinks.base import exposed

    files = [getattr(options, name) for name in type(options).model_fields if name.endswith("_file")]
    return [said for path in files if path is not None and (said := exposed(path)) is not None]
