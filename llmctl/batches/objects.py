"""Files and batches as they are kept, and as OpenAI's API shows them.

Source: https://platform.openai.com/docs/api-reference/batch and /files, and the types of the `openai` package.
"""

from typing import Any, Literal

from msgspec import Struct, field, structs

from llmctl.model.json import JsonObject

Purpose = Literal["batch", "batch_output"]
Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]

WINDOW = 86400
"""Seconds of the only completion window there is, `24h`."""

ENDED = frozenset({"failed", "completed", "expired", "cancelled"})
"""Statuses that a batch does not leave."""


class File(Struct, frozen=True):
    """An uploaded file, or what a batch brought forth. Times are seconds since the epoch.

    `fixed` says that its owner chose when it goes; else it stays as long as a batch needs it, and `keep` after.
    """

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: Purpose
    expires_at: int
    fixed: bool = False

    def shown(self) -> JsonObject:
        """OpenAI's file object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


class Trouble(Struct, frozen=True):
    """Why a batch failed as a whole; `line` counts from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class Tokens(Struct, frozen=True):
    """What answers say they used."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        """Both together."""
        return Tokens(
            self.input + other.input,
            self.cached + other.cached,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )

    def shown(self) -> JsonObject:
        """OpenAI's usage of a batch."""
        return {
            "input_tokens": self.input,
            "input_tokens_details": {"cached_tokens": self.cached},
            "output_tokens": self.output,
            "output_tokens_details": {"reasoning_tokens": self.reasoning},
            "total_tokens": self.input + self.output,
        }


class Batch(Struct, frozen=True):
    """A batch. `key`, `tenant` and `priority` are of who made it; `output_keep` is seconds its files stay, if said.

    `ending` is the status it is to have after `finalizing`.

    `output_file_id` and `error_file_id` are chosen before the files are there: they are shown once it has ended.
    """

    id: str
    tenant: str
    key: str
    priority: int
    endpoint: str
    input_file_id: str
    created_at: int
    expires_at: int
    completion_window: str = "24h"
    status: Status = "validating"
    in_progress_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    output_keep: int | None = None
    ending: Status | None = None
    model: str | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    errors: list[Trouble] = field(default_factory=list)
    metadata: dict[str, str] | None = None
    tokens: Tokens = Tokens()

    @property
    def ended(self) -> bool:
        """Whether it stays as it is."""
        return self.status in ENDED

    @property
    def end(self) -> int | None:
        """When it ended."""
        return self.completed_at or self.failed_at or self.expired_at or self.cancelled_at

    def on(self, status: Status, at: float, **changes: Any) -> "Batch":
        """The batch once it has this status."""
        stamp = {} if status == "validating" else {f"{status}_at": int(at)}
        return structs.replace(self, status=status, **stamp, **changes)

    def shown(self) -> JsonObject:
        """OpenAI's batch object."""
        troubles = [structs.asdict(each) for each in self.errors]
        times = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "errors": {"object": "list", "data": troubles} if troubles else None,
            "input_file_id": self.input_file_id,
            "completion_window": self.completion_window,
            "status": self.status,
            "output_file_id": self.output_file_id if self.ended else None,
            "error_file_id": self.error_file_id if self.ended else None,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            **{f"{name}_at": getattr(self, f"{name}_at") for name in times},
            "request_counts": {"total": self.total, "completed": self.completed, "failed": self.failed},
            "usage": self.tokens.shown() if self.status != "validating" else None,
            "metadata": self.metadata,
        }
