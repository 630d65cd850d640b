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


@dataclass(frozen=True, slots=True)
class SpanNames:
    """Names of the attributes of spans. `provider` … `error` are the conventions', `llmctl.*` is ours and not here.

    Source: https://github.com/open-telemetry/semantic-conventions-genai (docs/gen-ai/gen-ai-spans.md and
    gen-ai-security.md), still in development.
    """

    operation: str = "gen_ai.operation.name"
    provider: str = "gen_ai.provider.name"
    request_model: str = "gen_ai.request.model"
    response_model: str = "gen_ai.response.model"
    stream: str = "gen_ai.request.stream"
    finish_reasons: str = "gen_ai.response.finish_reasons"
    first_chunk: str = "gen_ai.response.time_to_first_chunk"
    input_tokens: str = "gen_ai.usage.input_tokens"
    output_tokens: str = "gen_ai.usage.output_tokens"
    cache_read: str = "gen_ai.usage.cache_read.input_tokens"
    cache_creation: str = "gen_ai.usage.cache_creation.input_tokens"
    reasoning: str = "gen_ai.usage.reasoning.output_tokens"
    input_messages: str = "gen_ai.input.messages"
    output_messages: str = "gen_ai.output.messages"
    guardrail: str = "gen_ai.guardrail.component.name"
    target: str = "gen_ai.guardrail.target.type"
    verdict: str = "gen_ai.guardrail.verdict.type"
    reason: str = "gen_ai.guardrail.verdict.reason"
    action: str = "gen_ai.guardrail.action.type"
    policy: str = "gen_ai.guardrail.security.policy.id"
    category: str = "gen_ai.guardrail.security.risk.category"
    score: str = "gen_ai.guardrail.security.risk.score"
    status_code: str = "http.response.status_code"
    error: str = "error.type"


SPAN_VERSIONS = {"gen_ai/1": SpanNames()}
RUN_GUARDRAIL = "run_guardrail"
OPERATIONS = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings"}
PROVIDERS = {"gemini": "gcp.gemini", "bedrock": "aws.bedrock", "azure": "azure.ai.openai"}
"""A provider's `kind` where the conventions call it otherwise; a kind of ours that they do not know keeps its name."""
