"""Where the bars and lines of the HTML report stand, in SVG units. Text stays text: the template escapes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from llmctl.reports.cost import Costs
from llmctl.reports.series import Forecast
from llmctl.reports.text import dollars

WIDTH, HEIGHT, FOOT = 880, 220, 24
ROW = 22
_NAMES = 300  # units for the names of horizontal bars


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle, what hovering over it says, and the text beside it."""

    x: float
    y: float
    width: float
    height: float
    title: str
    label: str = ""
    kind: str = "known"


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, the interval of each that has one as (x, top, bottom), and the value at the top of the scale."""

    width: float
    height: float
    bars: tuple[Bar, ...]
    whiskers: tuple[tuple[float, float, float], ...] = ()
    top: str = ""


def by_day(costs: Costs, forecast: Forecast | None) -> Chart:
    """Dollars a day, and the days forecast after them; a day with unknown costs looks different."""
    days = [(day, float(line.all.usd), line.whole) for day, line in sorted(costs.days.items())]
    ahead = forecast.expected if forecast else ()
    most = max([value for _, value, _ in days] + [each.high for each in ahead], default=0.0)
    count = len(days) + len(ahead)
    if not count or most <= 0:
        return Chart(WIDTH, HEIGHT, ())
    step, scale = WIDTH / count, (HEIGHT - FOOT) / most
    bars, whiskers = [], []
    every = max(1, -(-count // 12))
    for at, (day, value, whole) in enumerate(days):
        title = f"{day}: ${dollars(value)}{'' if whole else ' and more: some costs are not known'}"
        bars.append(_upright(at, step, value * scale, title, f"{day:%m-%d}" if at % every == 0 else "", whole))
    for at, each in enumerate(ahead, len(days)):
        title = f"{each.day}: ${dollars(each.value)} expected, ${dollars(each.low)} to ${dollars(each.high)}"
        label = f"{each.day:%m-%d}" if at % every == 0 else ""
        bars.append(_upright(at, step, each.value * scale, title, label, None))
        middle = round((at + 0.5) * step, 1)
        top, bottom = (round(HEIGHT - FOOT - bound * scale, 1) for bound in (each.high, each.low))
        whiskers.append((middle, top, bottom))
    return Chart(WIDTH, HEIGHT, tuple(bars), tuple(whiskers), f"${dollars(most)}")


def by_group(rows: Sequence[tuple[str, Decimal | None, bool]]) -> Chart:
    """(name, dollars, whether that is all) as horizontal bars; what is unknown has a name and no bar."""
    most = max((usd for _, usd, _ in rows if usd is not None), default=Decimal(0))
    bars = []
    for at, (name, usd, whole) in enumerate(rows):
        width = float(usd / most) * (WIDTH - _NAMES) if usd and most else 0.0
        kind = "known" if whole else "partly"
        title = f"{name}: {dollars(usd)}{'' if whole or usd is None else ' and more'}"
        bars.append(Bar(_NAMES, at * ROW, round(width, 1), ROW - 4, title, name, kind))
    return Chart(WIDTH, ROW * len(rows), tuple(bars))


def _upright(at: int, step: float, height: float, title: str, label: str, whole: bool | None) -> Bar:
    kind = "expected" if whole is None else "known" if whole else "partly"
    x, y = round(at * step + step * 0.1, 1), round(HEIGHT - FOOT - height, 1)
    return Bar(x, y, round(step * 0.8, 1), round(height, 1), title, label, kind)
