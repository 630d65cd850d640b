"""What a gateway watches of its own promises (SLOs), read with the configuration that names them."""

from typing import TYPE_CHECKING

from llmctl.config.load import Loaded
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError

if TYPE_CHECKING:
    from llmctl.alerts.slo import Histograms, Slos


def promises(loaded: Loaded, env: Environment, trouble: list[str]) -> "Slos | None":
    """Those of `alerts.slos`, a path from the configuration's own folder; none where alerts are off."""
    alerts = loaded.config.alerts
    if alerts is None:
        return None
    from llmctl.alerts.slo import load

    path = loaded.path.parent / alerts.slos
    if not path.is_file():
        trouble.append(loaded.finding(("alerts", "slos"), f"there is no file {path}; copy configs/slo.yaml there"))
        return None
    try:
        return load(path, env, served_histograms())
    except ConfigError as error:
        trouble.extend(error.findings)
        return None


def served_histograms() -> "Histograms":
    """Those of a gateway's `/metrics`, in the only version of their names that there is."""
    from llmctl.alerts.slo import Histogram, Histograms
    from llmctl.telemetry import semconv

    (names,) = semconv.VERSIONS.values()
    return Histograms(
        duration=Histogram(names.server_duration, semconv.DURATION_BUCKETS),
        first_token=Histogram(names.time_to_first, semconv.FIRST_TOKEN_BUCKETS),
    )
