"""What an experiment's file may say: a world, a load on it, what goes wrong with it, and what must hold all the same.

The parts are named as in the Chaos Toolkit (https://chaostoolkit.org/reference/api/experiment/): steady state, method,
rollbacks. All times are seconds.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from llmctl.config.section import Name, Seconds, Section, Share
from llmctl.providers.script import Fault, Script

ActionKind = Literal[
    "refuse", "fault", "script", "unresolvable", "reload", "set", "kill", "restart", "disk_full", "collector", "clock"
]  # fmt: skip
ProbeKind = Literal["ready", "answered", "p95_ms", "calls_per_request"]
InvariantKind = Literal[
    "charged_once", "within_budget", "one_record", "nothing_lost", "own_answers", "ended_once", "metrics_agree"
]  # fmt: skip
EVERY: tuple[InvariantKind, ...] = (
    "charged_once", "within_budget", "one_record", "nothing_lost", "own_answers", "ended_once", "metrics_agree"
)  # fmt: skip

STARTING = 1.5

_NEEDS: dict[str, set[str]] = {
    "refuse": {"provider"},
    "fault": {"provider", "faults"},
    "script": {"provider", "script"},
    "unresolvable": {"provider"},
    "reload": {"set"},
    "set": {"set"},
    "kill": set(),
    "restart": set(),
    "disk_full": set(),
    "collector": {"fate"},
    "clock": {"jump"},
}
LASTING: frozenset[ActionKind] = frozenset(
    {"refuse", "fault", "script", "unresolvable", "reload", "set", "disk_full", "collector", "clock"}
)
"""What stays until it is undone; the others happen and are over."""


class ActionConfig(Section):
    """Something that goes wrong.

    `refuse` a provider's port is closed; `fault` it misbehaves; `script` it behaves otherwise; `unresolvable` the name
    of its host stops resolving; `reload` the configuration changes and SIGHUP says so; `set` the same without a
    signal, as an editor would; `kill` the gateway by SIGKILL, and start it again; `restart` by SIGTERM;
    `disk_full` its process can write no file any longer; `collector` the OTLP collector goes wrong; `clock` the wall
    clock jumps.
    """

    action: ActionKind = Field(description="What goes wrong.")
    provider: Name | None = Field(None, description="Of which imitated provider.")
    faults: list[Fault] = Field(default_factory=list, description="As scripted providers have them.")
    script: Script | None = Field(None, description="What replaces the provider's script.")
    set: dict[str, Any] = Field(
        default_factory=dict, description="Settings by their dotted names, which the configuration has from then on."
    )
    fate: Literal["take", "hang", "lost"] | int | None = Field(None, description="Of what is sent to the collector.")
    jump: float | None = Field(None, description="Seconds, negative ones back.")

    @model_validator(mode="after")
    def _fits(self) -> "ActionConfig":
        needs = _NEEDS[self.action]
        given = {name for name in ("provider", "faults", "script", "set", "fate", "jump") if getattr(self, name)}
        given |= {"jump"} if self.jump is not None else set()
        if missing := sorted(needs - given):
            raise ValueError(f"{self.action} needs {', '.join(missing)}")
        if surplus := sorted(given - needs):
            raise ValueError(f"{self.action} has no use for {', '.join(surplus)}")
        return self


class StepConfig(ActionConfig):
    """An action at its time."""

    at: Seconds = Field(description="Seconds after the load has begun.")
    for_: Seconds | None = Field(
        None, alias="for", gt=0, description="It is undone after so long. Default: only by the rollback."
    )

    @model_validator(mode="after")
    def _lasts(self) -> "StepConfig":
        if self.for_ is not None and self.action not in LASTING:
            raise ValueError(f"{self.action} is over as soon as it is done; take `for` out")
        return self


class ProbeConfig(Section):
    """A figure that must lie in a range; `ready` is 1 or 0."""

    probe: ProbeKind = Field(description="Which figure.")
    at_least: float | None = Field(None, description="No less than this.")
    at_most: float | None = Field(None, description="No more than this.")

    @model_validator(mode="after")
    def _bounded(self) -> "ProbeConfig":
        if self.at_least is None and self.at_most is None:
            raise ValueError("say at_least, at_most, or both")
        return self


class SteadyConfig(Section):
    """What is normal: measured under load before anything goes wrong, and again after the rollback."""

    seconds: Seconds = Field(2.0, gt=0, le=60, description="How long the load runs for it.")
    settle: Seconds = Field(0.0, description="After the rollback, so long is waited: breakers close after a while.")
    probes: list[ProbeConfig] = Field(
        default_factory=lambda: [ProbeConfig(probe="ready", at_least=1), ProbeConfig(probe="answered", at_least=0.999)],
        description="All must hold. Before: or nothing is done to the world.",
    )


class WorldConfig(Section):
    """A gateway in a process of its own, before imitated providers. All of it is on loopback, in a temporary folder."""

    gateway: dict[str, Any] | None = Field(
        None, description="Its configuration. Providers, keys, folders and the port are filled in."
    )
    config: str | None = Field(
        None, min_length=1, description="Or the file it is in; its providers are replaced by imitated ones."
    )
    providers: dict[Name, Script] = Field(
        default_factory=dict, description="How each provider behaves, by its name in the gateway's configuration."
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Further options of every imitated provider's entry, such as timeouts."
    )
    collector: bool = Field(False, description="An imitated OTLP collector, to which the gateway sends every exchange.")

    @model_validator(mode="after")
    def _one(self) -> "WorldConfig":
        if (self.gateway is None) == (self.config is None):
            raise ValueError("give either `gateway`, the configuration itself, or `config`, its file")
        return self


class LoadConfig(Section):
    """What is asked: an open loop, whatever becomes of earlier requests. Every answer's content is checked."""

    rate: float = Field(100.0, gt=0, le=5000, description="Requests a second.")
    seconds: Seconds = Field(10.0, gt=0, le=600, description="How long.")
    streams: Share = Field(0.5, description="Share of streams.")
    tenants: int = Field(2, ge=1, le=64, description="Tenants, each with a key, who take turns.")
    shared: Share = Field(
        0.0, description="Share of questions that all tenants ask in the same words, again and again."
    )
    route: Name = Field(description="The model or route that is asked for.")
    patience: Seconds = Field(15.0, gt=0, description="An answer that takes longer is none.")
    words: int = Field(10, ge=1, le=1000, description="Words of a question, and so of its answer.")


class ExpectConfig(Section):
    """What must hold."""

    answered: Share = Field(0.999, description="At least this share was answered, rightly and completely.")
    invariants: list[InvariantKind] = Field(list(EVERY), description="Default: all.")
    p95_ms: float | None = Field(None, gt=0, description="95% of the answers were complete within this.")
    calls_per_request: float | None = Field(None, gt=0, description="Calls of providers for each request, at most.")
    refused: bool = Field(False, description="Refusals for a budget or a limit count as answers: they were meant.")
    seen: dict[str, float] = Field(
        default_factory=dict,
        description="Figures that must be at least so large, by dotted names as in the report (`opened.a`): proof that"
        " what was to go wrong did.",
    )
    overrun_usd: float = Field(0.0, ge=0, description="So much may budgets be overrun.")


class ExperimentConfig(Section):
    """A fault drill."""

    name: Name = Field(description="Of the experiment.")
    description: str = Field(description="For people: what is broken, and what should happen.")
    world: WorldConfig = Field(description="What it is done to.")
    load: LoadConfig = Field(description="What goes on meanwhile.")
    steady_state: SteadyConfig = Field(SteadyConfig(), description="What is normal.")
    method: list[StepConfig] = Field(min_length=1, description="What goes wrong, and when.")
    rollback: list[ActionConfig] = Field(
        default_factory=list,
        description="More to do in the end, whatever happened, after the steps are undone, the last one first.",
    )
    expect: ExpectConfig = Field(ExpectConfig(), description="What must hold.")

    @property
    def seconds(self) -> float:
        """About how long it takes, with the start and the end of its gateway."""
        return self.load.seconds + 2 * self.steady_state.seconds + self.steady_state.settle + STARTING
