"""Which exchange a task works on, so that whatever is logged on its way names it."""

from contextvars import ContextVar

ABOUT: ContextVar[tuple[str, str] | None] = ContextVar("llmctl_about", default=None)
"""Request id and trace id. The path sets it and takes it back; tasks started on its way inherit it."""
