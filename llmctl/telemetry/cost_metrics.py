"""What the cache and compression did for requests: outcomes, tokens saved, tokens taken out."""

from llmctl.model.record import Record
from llmctl.telemetry.series import Cell, Declare


class CostMetrics:
    """Counts of what was saved. Label values are names from the configuration and words from our own types."""

    def __init__(self, family: Declare) -> None:
        self._outcomes = family("llmctl_cache_requests_total", "What the cache said.", "counter", "route", "outcome")
        self._saved = family(
            "llmctl_cache_saved_tokens_total", "Tokens that answers from the cache once took.", "counter", "route"
        )
        self._trimmed = family(
            "llmctl_compressed_tokens_total", "Tokens that compression took out, by estimate.", "counter", "route"
        )
        self._found: dict[tuple[str, str], Cell] = {}

    def count(self, record: Record, route: str) -> None:
        """A client's exchange; `route` is a name fit for a label."""
        if (cache := record.cache) is not None:
            key = (route, cache.kind)
            cell = self._found.get(key)
            if cell is None:
                cell = self._found[key] = self._outcomes.cell(*key)
            cell.value += 1
            if cache.saved is not None:
                self._saved.cell(route).value += cache.saved.prompt + cache.saved.completion
        if (compression := record.compression) is not None:
            self._trimmed.cell(route).value += compression.before - compression.after
