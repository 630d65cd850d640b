"""The sections that save money and watch over it: cache, budgets, batches."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from llmctl.config.section import Bytes, Extension, Name, Seconds, Section, Share


class CompareConfig(Section):
    """Whether two answers are the same: equal, or equal but for case and marks, or near, or by a judge's word."""

    similarity: Share = Field(0.95, description="Answers whose embeddings are this near are the same.")
    judge: Name | None = Field(
        None, description="A model that is asked about answers that are not plainly the same. Default: they differ."
    )


class SemanticConfig(Section):
    """Answers found by meaning. Either an error bound, or a plain similarity."""

    max_error: float | None = Field(
        None, gt=0, le=0.5, allow_inf_nan=False, description="False hits over all requests stay under this share."
    )
    threshold: float | None = Field(
        None,
        ge=-1,
        le=1,
        allow_inf_nan=False,
        description="Serve whatever is this similar instead. No bound; `config check` prints the risk.",
    )
    audit: Share = Field(0.05, gt=0, lt=1, description="Share of would-be hits that ask the model, to check on them.")
    confidence: Share = Field(0.99, gt=0, lt=1, description="Of the bound that is shown.")
    guarantee: Literal["modelled", "certified"] = Field(
        "modelled", description="`certified` rests on audits alone: fewer hits, and no model to trust."
    )
    max_entries: int = Field(100_000, ge=1, le=10_000_000, description="Answers of one tenant and route to be found.")
    max_text: int = Field(2_000, ge=1, description="Characters of a question; a longer one is not compared.")
    embedder: Extension | None = Field(
        None, description="What turns texts into vectors: see Embedders. Default: the built-in static one."
    )
    compare: CompareConfig = Field(default_factory=CompareConfig, description="When two answers are the same.")

    @model_validator(mode="after")
    def _one_of_two(self) -> "SemanticConfig":
        if (self.max_error is None) == (self.threshold is None):
            raise ValueError("give max_error, or threshold: one of them")
        return self


class CachePolicyConfig(Section):
    """What is cached, and for how long. Under `cache.routes` only what differs is said."""

    enabled: bool = Field(True, description="Look up and keep answers.")
    ttl: Seconds = Field(3600.0, gt=0, description="An answer is served for so long.")
    stale_while_revalidate: Seconds = Field(
        0.0, description="So long after `ttl` an answer is served once more while a new one is fetched."
    )
    stale_if_error: Seconds = Field(
        0.0, description="So long after `ttl` an answer is served where no model could give one."
    )
    single_flight: bool = Field(
        True, description="Of identical requests at the same time one asks; the others wait for its answer."
    )
    semantic: SemanticConfig | None = Field(
        None, description="Also serve answers to requests that mean the same. Default: only identical requests."
    )


class CacheConfig(CachePolicyConfig):
    """Answers kept and served again, per tenant. Without this section nothing is cached."""

    dir: Annotated[str, Field(pattern=r"^[^\x00]+$")] | None = Field(
        ".llmctl/cache", description="Folder on disk, relative to the working directory; null keeps to memory."
    )
    memory: Bytes = Field(64 * 1024**2, description="Bytes of answers in memory, in each worker.")
    disk: Bytes = Field(1024**3, ge=1024**2, description="Bytes of answers on disk.")
    max_answer: Bytes = Field(1024**2, description="A larger answer is not kept.")
    secret: str | None = Field(
        None, min_length=16, description="With it, entries on disk that somebody else wrote are refused."
    )
    routes: dict[Name, CachePolicyConfig] = Field(
        default_factory=dict, description="By model or route asked for, what differs there."
    )


class BudgetConfig(Section):
    """Money that may be spent in a period. A request reserves what it may cost and settles what it did."""

    usd: float = Field(gt=0, allow_inf_nan=False, description="US dollars a period, for each that it is counted for.")
    every: Literal["day", "month"] = Field("month", description="The period; it begins at midnight in `timezone`.")
    per: list[Literal["key", "tenant", "model"]] = Field(
        ["tenant"], description="Counted apart for each of these; an empty list is one budget for all."
    )
    routes: list[Name] | None = Field(None, min_length=1, description="Models and routes asked for; all if absent.")
    tenants: list[Name] | None = Field(None, min_length=1, description="Tenants it applies to; all if absent.")
    keys: list[Name] | None = Field(None, min_length=1, description="Keys it applies to, by id; all if absent.")
    soft: Share = Field(0.8, gt=0, description="From this share on answers say so, and the log and metrics.")
    hard: bool = Field(True, description="Refuse what could go over; false only tells.")
    unpriced: Literal["allow", "block"] = Field(
        "allow", description="Requests to models whose price is not known: they cannot be counted."
    )
    assumed_output: int = Field(1024, ge=1, description="Tokens of an answer whose request names no maximum.")
    timezone: str = Field("UTC", description="Where midnight is, as in Europe/Berlin.")


class BudgetsConfig(Section):
    """Budgets by name, and where what was spent is kept over restarts."""

    dir: Annotated[str, Field(pattern=r"^[^\x00]+$")] = Field(
        ".llmctl/budgets", description="Folder, relative to the working directory."
    )
    limits: dict[Name, BudgetConfig] = Field(default_factory=dict, description="Budgets by name; all must allow.")


class BatchesConfig(Section):
    """`/v1/files` and `/v1/batches`: requests without hurry, in a lane of their own. Without this section: none."""

    dir: Annotated[str, Field(pattern=r"^[^\x00]+$")] = Field(
        ".llmctl/batches", description="Folder for files and batches, relative to the working directory."
    )
    concurrency: int = Field(4, ge=1, le=1024, description="Requests of batches under way at a time.")
    parked: int = Field(5000, ge=1, le=50_000, description="Besides, requests that wait in batches of providers.")
    max_file: Bytes = Field(100 * 1024**2, ge=1024, description="Largest file that may be uploaded.")
    max_requests: int = Field(50_000, ge=1, description="Most requests in a batch.")
    keep: Seconds = Field(86400.0 * 7, gt=0, description="Files and batches are removed this long after their end.")
    priority: int = Field(-50, ge=-100, le=100, description="Of its requests where calls wait for a model.")
