"""The configuration's shape. Extensions (providers, routing strategies) keep their own options; see `Extension`.

Descriptions are the text of the generated reference (docs/reference/configuration.md) and of the JSON Schema.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from llmctl.config.schema_cost import BatchesConfig, BudgetsConfig, CacheConfig
from llmctl.config.schema_evals import OnlineEvalConfig
from llmctl.config.schema_telemetry import AlertsConfig, TelemetryConfig
from llmctl.config.section import Bytes, Extension, Name, Seconds, Section, Share
from llmctl.config.units import parse_seconds


class ServerConfig(Section):
    """Where the gateway listens and what it lets in."""

    host: str = Field("127.0.0.1", description="Address to bind. Anything but loopback needs at least one key.")
    port: int = Field(8080, ge=0, le=65535, description="Port to bind; 0 takes a free one and prints it.")
    workers: int = Field(1, ge=1, le=64, description="Processes sharing the port.")
    local_admin: bool = Field(
        True,
        description="Programs on this machine read /metrics and the console without a key. False where a reverse proxy "
        "on this machine passes others on.",
    )
    max_body: Bytes = Field(10 * 1024**2, description="Largest request body; over it is 413.")
    max_header: Bytes = Field(32 * 1024, ge=1024, description="Largest request head; over it is 431.")
    header_timeout: Seconds = Field(10.0, gt=0, description="A request's head must arrive within this.")
    body_timeout: Seconds = Field(30.0, gt=0, description="A request's body must arrive within this.")
    send_timeout: Seconds = Field(60.0, gt=0, description="A client that takes none of its answer for this is cut off.")
    keep_alive: Seconds = Field(75.0, gt=0, description="An idle client connection is closed after this.")
    request_timeout: Seconds = Field(600.0, gt=0, description="Deadline for a whole exchange, retries included.")
    drain_timeout: Seconds = Field(30.0, description="After SIGTERM, streams may finish within this.")


Failing = Literal[
    "default", "rate_limit", "context_length", "content_policy", "timeout", "server_error", "connect", "protocol",
    "auth", "other",
]  # fmt: skip
Fallbacks = list[Name] | dict[Failing, list[Name]]


class ModelConfig(Section):
    """A model clients can ask for by its key's name."""

    provider: Name = Field(description="Name of an entry in `providers`.")
    model: str | None = Field(None, min_length=1, description="What the provider calls it; the same name if absent.")
    context: int | None = Field(None, ge=1, description="Tokens of prompt and answer together. Default: not known.")
    capabilities: list[Literal["tools", "images", "json"]] | None = Field(
        None, description="What it can do beside text. Default: everything is assumed."
    )
    concurrency: int | None = Field(
        None, ge=1, description="Calls under way at a time; others wait. Default: no limit."
    )
    max_queue: int = Field(
        128, ge=0, description="Calls that may wait for `concurrency`; over it the least important is refused."
    )
    fallbacks: Fallbacks | None = Field(
        None, description="Models to ask when this one, asked for by name, fails: a list, or lists by kind of failure."
    )


class RuleConfig(Extension):
    """A strategy for the requests that meet a condition."""

    when: dict[str, Any] = Field(min_length=1, description="Conditions, all of which must hold: see Conditions.")


class RouteConfig(Extension):
    """A name that stands for a choice between models."""

    rules: list[RuleConfig] = Field(
        default_factory=list,
        description="Tried in order; the first whose condition holds chooses instead of the route's own.",
    )
    experiment: Extension | None = Field(None, description="`ab`, `canary` or `shadow`: see Experiments.")
    fallbacks: Fallbacks | None = Field(
        None,
        description="Models to ask when the chosen one fails: a list, or lists by kind of failure."
        " Default: the route's others.",
    )
    cheaper: list[Name] = Field(default_factory=list, description="Models to ask when all of those fail too.")
    static_answer: str | None = Field(
        None, min_length=1, description="What to answer, as a complete answer, when no model could. Default: an error."
    )
    attempt_timeout: Seconds | None = Field(
        None,
        gt=0,
        description="A call must bring its first token, or its whole answer if that is no stream, within this.",
    )
    timeout: Seconds | None = Field(
        None, gt=0, description="Deadline for the exchange, where shorter than the server's."
    )
    hedge: dict[str, Any] | None = Field(
        None,
        description="A second call when the first token is late; `{}` for the defaults: see Hedging. Default: none.",
    )
    resume: bool = Field(
        False, description="A stream that breaks off is continued by another model from the text so far."
    )
    compress: Extension | Literal["off"] | None = Field(
        None, description="Prompt compression of this route, or `off`: see Compression. Default: that of the gateway."
    )
    priority: int = Field(0, ge=-100, le=100, description="Higher goes first where calls wait; added to the key's.")


class KeyConfig(Section):
    """A virtual key. Make one with `llmctl keys new`; only its salted hash stands here."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{4,32}$")] = Field(description="The public part of the key.")
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{32}:[0-9a-f]{64}$")] = Field(
        description="`salt:hash` in hex, as printed by `llmctl keys new`."
    )
    tenant: Name = Field("default", description="Who the key belongs to. Tenants never see each other's data.")
    models: list[str] | None = Field(None, description="Models and routes it may ask for; all if absent.")
    expires: datetime | None = Field(None, description="RFC 3339 time after which it is refused.")
    admin: bool = Field(False, description="May also read /metrics and the console from another host.")
    priority: int = Field(0, ge=-100, le=100, description="Higher goes first where calls wait for a model.")


class RecordsConfig(Section):
    """The record store: one JSON line per exchange."""

    dir: Annotated[str, Field(pattern=r"^[^\x00]+$")] = Field(
        ".llmctl/records", description="Folder for the segments, relative to the working directory."
    )
    enabled: bool = Field(True, description="Write records to disk.")
    content: Literal["redacted", "none"] = Field(
        "redacted", description="`redacted` keeps requests and answers with secrets removed; `none` keeps neither."
    )
    max_content: Bytes = Field(
        256 * 1024, description="A request or an answer larger than this is not kept; its size is."
    )
    fsync: bool = Field(False, description="fsync after each batch. Survives power loss; costs throughput.")
    flush_interval: Seconds = Field(0.05, gt=0, le=1, description="Longest time a record waits for its write.")
    segment_bytes: Bytes = Field(64 * 1024**2, ge=4096, description="A segment is rotated at this size.")
    queue_bytes: Bytes = Field(64 * 1024**2, ge=4096, description="Records waiting for the disk; over it they drop.")
    retention: Annotated[float, BeforeValidator(parse_seconds), Field(gt=0, allow_inf_nan=False)] | None = Field(
        30 * 86400.0, description="A day's records are deleted once it has been over for this long; `null` keeps all."
    )
    max_bytes: Annotated[Bytes, Field(ge=1)] | None = Field(
        None, description="Over this the oldest files are deleted, but those being written to. Default: no limit."
    )


class SecondTierConfig(Section):
    """A slower guard, asked only where the first one is unsure."""

    kind: str = Field(description="Which guard: `judge`, `moderation`, `onnx` …, as under `policies`.")
    band: tuple[Share, Share] = Field((0.3, 0.8), description="Scores of the first guard between which it is asked.")
    deadline: Seconds = Field(
        2.0, gt=0, description="It must answer within this; else `on_error` of the policy decides."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="That guard's own options.")


class PolicyConfig(Section):
    """A guard at work: where it is asked and what its verdict leads to."""

    kind: str = Field(description="Which guard: see `llmctl guard list`, or `package.module:Class`.")
    on_error: Literal["block", "allow"] = Field(description="What happens to a request when the guard itself fails.")
    direction: Literal["input", "output", "both"] | None = Field(
        None, description="What it judges: requests, answers or both. Default: whatever its kind can."
    )
    mode: Literal["enforce", "shadow", "disabled"] = Field(
        "enforce", description="`shadow` records verdicts and changes nothing; `disabled` takes a preset's policy out."
    )
    routes: list[Name] | None = Field(None, min_length=1, description="Models and routes asked for; all if absent.")
    tenants: list[Name] | None = Field(None, min_length=1, description="Tenants it applies to; all if absent.")
    sources: list[Literal["system", "user", "assistant", "tool", "retrieved"]] | None = Field(
        None, min_length=1, description="Texts of a request that it judges. Default: all but the system prompt."
    )
    actions: dict[str, Literal["allow", "warn", "redact", "block"]] = Field(
        default_factory=dict,
        description="What to do by category of the verdict, `*` for any other. Default: what the guard says.",
    )
    restore: bool = Field(
        False, description="Put what was redacted from the request back where its placeholder stands in the answer."
    )
    preset: Literal["strict", "balanced", "lenient"] | None = Field(
        None, description="Thresholds of the guard. Default: those of `guardrails.preset`."
    )
    deadline: Seconds = Field(2.0, gt=0, description="A guard that asks somebody else must answer within this.")
    second: SecondTierConfig | None = Field(None, description="A slower guard for what this one is unsure about.")
    options: dict[str, Any] = Field(default_factory=dict, description="The guard's own options.")


class GuardrailsConfig(Section):
    """What is let in and out. Policies of the preset apply unless one of the same name replaces them."""

    preset: Literal["strict", "balanced", "lenient", "none"] = Field(
        "balanced", description="Policies to begin with; `llmctl guard policies` prints what comes of it."
    )
    policies: dict[Name, PolicyConfig] = Field(default_factory=dict, description="Policies by name.")
    segment: int = Field(
        80,
        ge=0,
        le=4096,
        description="Streams are judged, and released, at sentence ends this many characters apart or a little more.",
    )
    repair: bool = Field(True, description="Ask the model once more for an answer that `schema` would block.")


class Config(Section):
    """The root of gateway.yaml."""

    version: Literal[1] = Field(1, description="Version of this file's format.")
    server: ServerConfig = Field(default_factory=ServerConfig, description="Where the gateway listens.")
    providers: dict[Name, Extension] = Field(min_length=1, description="Upstreams, by name.")
    models: dict[Name, ModelConfig] = Field(min_length=1, description="Models clients can ask for.")
    routes: dict[Name, RouteConfig] = Field(
        default_factory=dict, description="Names that stand for a choice between models, by routing strategy."
    )
    resilience: dict[str, Any] = Field(
        default_factory=dict, description="Retries, breakers and health of all models: see Resilience."
    )
    keys: list[KeyConfig] = Field(default_factory=list, description="Virtual keys; none means loopback only.")
    guardrails: GuardrailsConfig = Field(default_factory=GuardrailsConfig, description="What is let in and out.")
    cache: CacheConfig | None = Field(None, description="Answers kept and served again. Default: none.")
    compress: Extension | None = Field(
        None, description="Prompt compression of all routes that say nothing else: see Compression. Default: none."
    )
    budgets: BudgetsConfig = Field(default_factory=BudgetsConfig, description="Money that may be spent.")
    prices: dict[str, Any] = Field(
        default_factory=dict, description="Prices that override the shipped ones: see Prices."
    )
    batches: BatchesConfig | None = Field(None, description="`/v1/batches` and `/v1/files`. Default: none.")
    records: RecordsConfig = Field(default_factory=RecordsConfig, description="The record store.")
    telemetry: TelemetryConfig = Field(default_factory=TelemetryConfig, description="Metrics, spans and logs.")
    evals: dict[Name, OnlineEvalConfig] = Field(
        default_factory=dict, description="Scores of a sample of live answers, by name. Default: none."
    )
    alerts: AlertsConfig | None = Field(
        None, description="Alerts without Prometheus: see docs/alerts.md. Default: none."
    )
