"""`llmctl alerts`: rules, simulate, test."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmctl.commands.alerts_simulate import simulate
from llmctl.commands.alerts_test import tell
from llmctl.commands.options import JsonOption, print_json
from llmctl.errors import StoreError

app = typer.Typer(help="Rules that tell when promises (SLOs) are broken.", no_args_is_help=True)

app.command()(simulate)
app.command("test")(tell)

HEADER = "Written by `llmctl alerts rules` from {source}: change that, not this."


@app.callback()
def root() -> None:
    """Rules that tell when promises (SLOs) are broken."""


@app.command()
def rules(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="What is promised, and who is told.")] = Path(
        "configs/slo.yaml"
    ),
    json: JsonOption = False,
) -> None:
    """Write rules.yaml (Prometheus), rules_test.yaml (its unit tests, for promtool) and alertmanager.yaml."""
    from llmctl.alerts.alertmanager import alertmanager, left_out
    from llmctl.alerts.document import document
    from llmctl.alerts.prometheus_tests import prometheus_tests
    from llmctl.alerts.rules import rules as make
    from llmctl.alerts.slo import load
    from llmctl.config.secrets import Environment
    from llmctl.gateway.promises import served_histograms

    histograms = served_histograms()
    slos = load(config, Environment.of_process(), histograms)
    documents = {
        "rules.yaml": make(slos, histograms),
        "rules_test.yaml": prometheus_tests(slos, histograms, "rules.yaml"),
        "alertmanager.yaml": alertmanager(slos),
    }
    header = HEADER.format(source=config.name)
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, value in documents.items():
            (output / name).write_text(document(value, header), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{error.filename or output}: cannot be written ({error.strerror})") from None
    for sentence in left_out(slos):
        print(f"{config}: {sentence}", file=sys.stderr)
    if json:
        print_json({"written": [str(output / name) for name in documents], "slos": list(slos.slos)})
        return
    for name in documents:
        print(output / name)
