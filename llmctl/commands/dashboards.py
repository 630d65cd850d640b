"""`llmctl dashboards`: pages for Grafana."""

from pathlib import Path
from typing import Annotated

import typer

from llmctl.commands.options import JsonOption, print_json
from llmctl.errors import StoreError, UsageError

app = typer.Typer(help="Grafana dashboards of a gateway's metrics.", no_args_is_help=True)

HEADER = "Written by `llmctl dashboards render` from {source}: change that, not this."
PROVISIONED = "/etc/grafana/provisioning/dashboards/llmctl"


@app.callback()
def root() -> None:
    """Grafana dashboards of a gateway's metrics."""


@app.command()
def render(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="What is promised (SLOs).")] = Path("configs/slo.yaml"),
    datasource: Annotated[
        str | None,
        typer.Option(metavar="UID", help="Prometheus that is chosen at first. Default: Grafana's default one."),
    ] = None,
    runbooks: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Address below which runbooks/NAME.md are read, for links to them."),
    ] = None,
    path: Annotated[
        str, typer.Option(metavar="DIR", help="Where Grafana will find DIR/llmctl, on its own machine.")
    ] = PROVISIONED,
    json: JsonOption = False,
) -> None:
    """Write dashboards.yaml (Grafana's provisioning) and a page each in llmctl/*.json."""
    from llmctl.alerts.slo import load
    from llmctl.config.secrets import Environment
    from llmctl.dashboards.folder import dashboards, files
    from llmctl.gateway.promises import served_histograms
    from llmctl.telemetry import semconv

    if runbooks is not None and not runbooks.startswith(("https://", "http://")):
        raise UsageError(f"--runbooks: {runbooks!r} is no address; it begins with https:// or http://")
    histograms = served_histograms()
    slos = load(config, Environment.of_process(), histograms)
    (names,) = semconv.VERSIONS.values()
    pages = dashboards(slos, histograms, names, runbooks)
    texts = files(pages, HEADER.format(source=config.name), path=path, datasource=datasource)
    try:
        for name, text in texts.items():
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{error.filename or output}: cannot be written ({error.strerror})") from None
    if json:
        print_json({"written": [str(output / name) for name in texts], "uids": [page.uid for page in pages]})
        return
    for name in texts:
        print(output / name)
