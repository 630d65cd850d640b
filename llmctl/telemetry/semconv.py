"""OpenTelemetry's GenAI names, which are renamed now and then, by the version that `telemetry.semconv` chooses.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/, in Prometheus' spelling.
"""

from dataclasses import dataclass

DURATION_BUCKETS = tuple(0.01 * 2**i for i in range(14))
TOKEN_BUCKETS = tuple(float(4**i) for i in range(14))
FIRST_TOKEN_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
OUTPUT_TOKEN_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)


@dataclass(frozen=True, slots=True)
class Names:
    """Names of metrics and of their labels."""

    client_duration: str = "gen_ai_client_operation_duration_seconds"
    client_tokens: str = "gen_ai_client_token_usage"
    server_duration: str = "gen_ai_server_request_duration_seconds"
    time_to_first: str = "gen_ai_server_time_to_first_token_seconds"
    time_per_output: str = "gen_ai_server_time_per_output_token_seconds"
    operation: str = "gen_ai_operation_name"
    provider: str = "gen_ai_provider_name"
    model: str = "gen_ai_request_model"
    direction: str = "gen_ai_token_type"


VERSIONS = {"gen_ai/1": Names()}
