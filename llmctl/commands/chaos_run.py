"""`llmctl chaos run`."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmctl.commands.options import JsonOption, print_json
from llmctl.errors import StoreError

if TYPE_CHECKING:
    from llmctl.chaos.load import Experiment
    from llmctl.chaos.outcome import Outcome

INTERRUPTED = 130


def run_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Experiments; configs/chaos/*.yaml are some to begin with.")
    ],
    journal: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a Chaos Toolkit journal of each, NAME.json, to this folder."),
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write evidence for the readiness assessment, raw results beside it."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run fault drills, one after the other: each in a world of its own, on loopback, and nothing of it is left.

    Whatever happens, Ctrl-C too, what was broken is put right again. Exit codes: 1 an error, 2 usage, 3 a bar is
    missed, an invariant broken or an experiment not run, 130 interrupted.
    """
    from llmctl.chaos.checked import checked
    from llmctl.chaos.journal import journal as journal_of
    from llmctl.chaos.report import document, held, lines
    from llmctl.config.secrets import Environment

    env = Environment.of_process()
    experiments = [checked(path, env) for path in files]
    outcomes: list[Outcome] = []
    with asyncio.Runner() as runner:
        runner.run(_run(experiments, outcomes))
    found = document(outcomes)
    if journal is not None:
        for outcome in outcomes:
            _write(journal / f"{outcome.name}.json", journal_of(outcome))
    if evidence is not None:
        raw = evidence.with_suffix(".raw.json")
        _write(raw, found)
        _write(evidence, _evidence(outcomes, files, raw))
    if json:
        print_json(found)
    else:
        print("\n".join(lines(outcomes)))
    if any(one.status == "interrupted" for one in outcomes):
        raise typer.Exit(INTERRUPTED)
    if not held(outcomes):
        raise typer.Exit(3)


async def _run(experiments: "Sequence[Experiment]", outcomes: "list[Outcome]") -> None:
    """All of them, until one is interrupted."""
    from llmctl.chaos.run import run
    from llmctl.clock import SystemClock

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    for at, experiment in enumerate(experiments, 1):
        name, seconds = experiment.config.name, experiment.config.seconds
        print(f"[{at}/{len(experiments)}] {name}, about {seconds:.0f} s", file=sys.stderr, flush=True)
        outcome = await run(experiment, SystemClock())
        outcomes.append(outcome)
        said = "; ".join(outcome.trouble) or f"{outcome.answered} of {outcome.requests} answered"
        print(f"    {outcome.status}: {said}", file=sys.stderr, flush=True)
        if outcome.status == "interrupted":
            return


def _evidence(outcomes: "Sequence[Outcome]", files: Sequence[Path], raw: Path) -> dict[str, Any]:
    import platform

    from llmctl.chaos.evidence import evidence

    command = f"llmctl chaos run {' '.join(map(str, files))}"
    return evidence(outcomes, files, [raw], {"command": command, "host": platform.node(), "git": _commit()})


def _commit() -> str | None:
    """The commit that this is run from, where it is a checkout."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607  # whichever git the user has
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _write(path: Path, value: Any) -> None:
    import json

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from None
