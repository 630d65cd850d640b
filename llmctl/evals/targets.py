"""Who answers: a gateway in this process, an endpoint over HTTP, or files of answers that were given before."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, Protocol

from pydantic import Field, model_validator

from llmctl.clock import Clock
from llmctl.config.load import load
from llmctl.config.schema import Config
from llmctl.config.secrets import Environment, masked
from llmctl.config.section import Section
from llmctl.errors import ConfigError
from llmctl.evals.answers import Answered, as_tool_calls
from llmctl.evals.recorded import Recorded, RecordedOptions
from llmctl.gateway.asking import Asker, Call, Reply
from llmctl.gateway.local import LocalGateway
from llmctl.gateway.remote import RemoteGateway


class GatewayOptions(Section):
    """A gateway in this process: give `model` or `route`, as a client would ask for it."""

    config: str = Field(description="Path of its gateway.yaml, from the suite's folder.")
    model: str | None = Field(None, description="A model of it.")
    route: str | None = Field(None, description="A route of it.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Fields of every request: temperature.")
    seed: bool = Field(True, description="Send a `seed`, another one for each repeat.")

    @model_validator(mode="after")
    def _one(self) -> "GatewayOptions":
        if (self.model is None) == (self.route is None):
            raise ValueError("give `model` or `route`, one of them")
        return self

    @property
    def asked(self) -> str:
        """What requests name as their model."""
        return self.model or self.route or ""


class UrlOptions(Section):
    """An endpoint of the OpenAI dialect: a gateway of ours, or any other."""

    base_url: str = Field(description="As https://api.openai.com/v1.")
    model: str = Field(description="Sent as `model`.")
    api_key_env: str | None = Field(None, description="The environment variable with its key.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Fields of every request: temperature.")
    seed: bool = Field(True, description="Send a `seed`, another one for each repeat.")


class Target(Protocol):
    """Something that answers. `identity` says who, so that its answers are never taken for another's."""

    identity: str

    async def start(self) -> None:
        """Make ready. Raises LlmctlError."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...


class Asked:
    """A target that is asked with a payload. `parameters` are what its requests have beside their messages."""

    def __init__(self, asker: Asker, identity: str, parameters: Mapping[str, Any], *, seed: bool) -> None:
        self.asker = asker
        self.identity = identity
        self.parameters = dict(parameters)
        self.seed = seed

    async def start(self) -> None:
        """Make ready: models are loaded. Raises LlmctlError."""
        await self.asker.start()

    async def ask(self, call: Call) -> Reply:
        """One call."""
        return await self.asker.ask(call)

    async def close(self) -> None:
        """Let go of what it holds."""
        await self.asker.close()


class Looked(Recorded):
    """A target whose answers lie in files."""

    async def start(self) -> None:
        """All is read already."""

    async def close(self) -> None:
        """Nothing to let go."""


TABLE: dict[str, type[Section]] = {"gateway": GatewayOptions, "url": UrlOptions, "recorded": RecordedOptions}


def make_target(options: Section, folder: Path, env: Environment, clock: Clock, random: Random) -> Asked | Looked:
    """A target of one of the options above; paths are from `folder`, the suite's.

    Raises ConfigError with complete lines, UsageError.
    """
    if isinstance(options, RecordedOptions):
        return Looked(options, folder)
    if isinstance(options, UrlOptions):
        return _endpoint(options, env, clock)
    assert isinstance(options, GatewayOptions)
    loaded = load(folder / options.config, env)
    _known(options, loaded.config)
    identity = f"gateway:{loaded.digest}"
    parameters = {"model": options.asked, **options.parameters}
    return Asked(LocalGateway(loaded, clock=clock, random=random), identity, parameters, seed=options.seed)


def answered(reply: Reply, attempts: int) -> Answered:
    """What is kept of a reply."""
    trouble, record = reply.trouble, reply.record
    choice = reply.answer.choices[0] if reply.answer is not None and reply.answer.choices else None
    message = choice.message if choice is not None else None
    acted = [one for one in record.guards if one.action != "allow"] if record is not None else []
    return Answered(
        reply.text,
        as_tool_calls(message.tool_calls if message is not None else None),
        choice.finish_reason if choice is not None else None,
        (message.refusal or "") if message is not None else "",
        [f"{one.direction}.{one.policy or one.guard}={one.action}" for one in acted],
        error=trouble.code if trouble is not None else "",
        detail=trouble.message if trouble is not None else "",
        attempts=attempts,
        seconds=reply.seconds,
        ttft=reply.ttft,
        usage=reply.usage,
        cost=reply.cost,
        model=reply.model,
        request_id=reply.id,
    )


def _endpoint(options: UrlOptions, env: Environment, clock: Clock) -> Asked:
    key = None
    if options.api_key_env is not None:
        key = env.get(options.api_key_env)
        if not key:
            raise ConfigError([f"the environment variable {options.api_key_env} is not set; export it: `api_key_env`"])
    identity = f"url:{masked(options.base_url)}"
    parameters = {"model": options.model, **options.parameters}
    return Asked(RemoteGateway(options.base_url, key, clock=clock), identity, parameters, seed=options.seed)


def _known(options: GatewayOptions, config: Config) -> None:
    kind, there = ("model", config.models) if options.model is not None else ("route", config.routes)
    if options.asked not in there:
        names = ", ".join(list(there)[:12]) or "none"
        raise ConfigError([f"{options.config} has no {kind} {options.asked!r}; it has {names}"])
