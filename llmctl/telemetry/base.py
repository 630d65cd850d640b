"""Where finished records go."""

from typing import Protocol

from llmctl.model.record import Record


class Sink(Protocol):
    """Takes every record, on the event loop, once its exchange is over."""

    def write(self, record: Record) -> None:
        """Take `record`. Never raises and never blocks: what cannot be kept is dropped and counted."""
        ...

    def close(self) -> None:
        """Finish what was taken, within a bound. Writing afterwards only counts drops."""
        ...
