"""`llmctl eval power`: how many items a comparison needs, or what so many would tell."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmctl.commands.options import JsonOption, print_json
from llmctl.errors import UsageError

if TYPE_CHECKING:
    from llmctl.statistics.power import Spread


PilotArgument = Annotated[
    Path | None, typer.Argument(metavar="[RESULTS.jsonl]", help="A pilot's results, in place of guesses.")
]
EffectOption = Annotated[float | None, typer.Option(help="The least difference that matters: 0.03 is three points.")]
ItemsOption = Annotated[int | None, typer.Option("--n", min=2, help="Say what so many items would tell.")]
BaselineOption = Annotated[float | None, typer.Option(min=0, max=1, help="Right-or-wrong scores: A's rate.")]
DiscordantOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Right-or-wrong scores: the share that one side alone gets right.")
]
SdOption = Annotated[float | None, typer.Option(help="Other scores: their standard deviation over items.")]
CorrelationOption = Annotated[float, typer.Option(min=-1, max=1, help="Of the two sides over items; 0 is careful.")]
RepeatSdOption = Annotated[float, typer.Option(min=0, help="How far repeats of one item scatter.")]
RepeatsOption = Annotated[int, typer.Option(min=1, max=100, help="Of each item, on both sides.")]
PowerOption = Annotated[float, typer.Option(min=0.1, max=0.999, help="Chance to see the effect.")]
ConfidenceOption = Annotated[float, typer.Option(min=0.51, max=0.9999, help="Of the interval.")]
SequentialOption = Annotated[bool, typer.Option("--sequential", help="Also for looking after every item.")]
MetricOption = Annotated[str, typer.Option(help="Of the pilot: `score`, `passed`, or a metric's name.")]
AbOption = Annotated[
    tuple[str, str] | None, typer.Option("--ab", metavar="A B", help="Of the pilot. Default: its two variants.")
]


def power_(
    pilot: PilotArgument = None,
    effect: EffectOption = None,
    n: ItemsOption = None,
    baseline: BaselineOption = None,
    discordant: DiscordantOption = None,
    sd: SdOption = None,
    correlation: CorrelationOption = 0.0,
    repeat_sd: RepeatSdOption = 0.0,
    repeats: RepeatsOption = 1,
    power: PowerOption = 0.8,
    confidence: ConfidenceOption = 0.95,
    sequential: SequentialOption = False,
    metric: MetricOption = "score",
    ab: AbOption = None,
    json: JsonOption = False,
) -> None:
    """Plan a comparison over the same items: items for an effect, or with --n the effect for items.

    Say what is known of the scores: --baseline or --discordant for right or wrong, --sd for others, or a pilot's
    results. Pairs that fail on the same items (--correlation above 0) need fewer.
    """
    from llmctl.evals import power as plans

    if effect is None and n is None:
        raise UsageError("give --effect, the least difference that matters, or --n, how many items there are")
    try:
        if pilot is not None:
            spread = _pilot(pilot, ab, metric)
        else:
            spread = plans.known_spread(effect or 0.0, baseline, sd, correlation, discordant, repeat_sd)
        alpha = 1 - confidence
        if n is not None:
            plan = plans.told_by(n, spread, repeats, alpha, power, effect)
        else:
            assert effect is not None
            plan = plans.needed(effect, spread, repeats, alpha, power)
        look = plans.looking(plan, spread, repeats, min(power, plan.power)) if sequential else None
    except ValueError as error:
        raise UsageError(str(error)) from None
    told: dict[str, Any] = {**asdict(plan), "confidence": confidence, "repeats": repeats}
    told |= {"answers": 2 * plan.items * repeats, "spread": asdict(spread)}
    told["sequential"] = asdict(look) if look is not None else None
    if json:
        print_json(told)
        return
    for line in _lines(told):
        print(line)


def _lines(told: dict[str, Any]) -> list[str]:
    often = f"{told['repeats']} repeats" if told["repeats"] > 1 else "no repeats"
    asked = f"{told['answers']:,} answers with {often} on both sides"
    lines = [
        f"{told['items']:,} items ({asked}) tell a difference of {told['effect']:.4g} from none",
        f"with a power of {told['power']:.3g} at {100 * told['confidence']:.4g}% confidence, looked at once",
    ]
    if look := told["sequential"]:
        saved = f"{look['saved']:.0%} fewer" if look["saved"] > 0 else f"{-look['saved']:.0%} more"
        lines.append(
            f"looked at after every item: {look['budget']:,} items at most, {look['mean_items']:,} on average "
            f"({saved}) if the difference is real; without any, mostly all {look['budget']:,}"
        )
    return lines


def _pilot(path: Path, ab: tuple[str, str] | None, metric: str) -> "Spread":
    from llmctl.evals.power import pilot_spread
    from llmctl.evals.results.read import read_results

    results = read_results(path)
    there = results.variants
    if ab is None and len(there) != 2:
        raise UsageError(f"{path}: has the variants {', '.join(there)}; name two with --ab A B")
    a, b = ab or (there[0], there[1])
    for name in (a, b):
        if name not in there:
            raise UsageError(f"--ab: {path} has no variant {name!r}; it has {', '.join(there)}")
    return pilot_spread(results.of(a), results.of(b), metric)
