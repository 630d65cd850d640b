"""The cost report as one HTML file: no scripts, nothing fetched, every value escaped."""

from importlib.resources import files

from llmctl.reports.charts import by_day, by_group
from llmctl.reports.costs_text import NOTE, anomalies_text, cells, savings_text
from llmctl.reports.report import Report
from llmctl.reports.series import Forecast, Refused
from llmctl.reports.text import dollars, plain

BARS = 20


def as_html(report: Report, *, about: str) -> str:
    """The whole document; `about` says what was read and which period it is of."""
    import jinja2  # not wanted by any other format

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
    template = environment.from_string(files("llmctl.reports").joinpath("page.html").read_text(encoding="utf-8"))
    costs, outlook = report.costs, report.outlook
    named = [
        (plain(" ".join(name or "(none)" for name in line.names)), line.usd, line.whole) for line in costs.lines[:BARS]
    ]
    header, rows, groups = cells(costs)
    return template.render(
        title="Cost report",
        about=about,
        daily=by_day(costs, outlook if isinstance(outlook, Forecast) else None),
        outlook=forecast_line(outlook),
        by=", ".join(costs.by),
        grouped=by_group(named if costs.by and tuple(costs.by) != ("day",) else []),
        header=header,
        rows=[[plain(cell) for cell in row] for row in rows],
        groups=groups,
        left=max(1, len(costs.by)),
        note=NOTE,
        anomalies=anomalies_text(report.anomalies).splitlines(),
        savings=savings_text(report.savings) if report.savings else "",
    )


def forecast_line(outlook: Forecast | Refused) -> str:
    """The forecast's sum in a sentence, or why there is none."""
    if isinstance(outlook, Refused):
        return f"No forecast: {outlook.why}."
    value, low, high = outlook.total
    return (
        f"The next {len(outlook.expected)} days: ${dollars(value, 2)}, ${dollars(low, 2)} to ${dollars(high, 2)} "
        f"(each day's {outlook.confidence:.0%} interval added up, which is wider than it need be); the same weekday a "
        f"week before with drift, from {outlook.days} days and {outlook.residuals} residuals."
    )
