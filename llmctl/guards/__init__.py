"""One file per guard; `TABLE` lists them."""

from typing import Any

from llmctl.guards.citation import Citation
from llmctl.guards.content import Content
from llmctl.guards.factuality import Factuality
from llmctl.guards.hallucination import Hallucination
from llmctl.guards.injection import InjectionGuard
from llmctl.guards.language import Language
from llmctl.guards.leakage import Leakage
from llmctl.guards.pattern import Pattern
from llmctl.guards.pii import Pii
from llmctl.guards.refusal import Refusal
from llmctl.guards.schema import JsonSchema
from llmctl.guards.secrets import Secrets
from llmctl.guards.topics import Topics
from llmctl.guards.toxicity import Toxicity
from llmctl.guards.validation import Validation

# `kind` in the configuration → class taking its decoded Options. Typed by tests/guards/test_contract.py.
TABLE: dict[str, type[Any]] = {
    "validation": Validation,
    "injection": InjectionGuard,
    "pii": Pii,
    "secrets": Secrets,
    "content": Content,
    "topics": Topics,
    "language": Language,
    "pattern": Pattern,
    "toxicity": Toxicity,
    "refusal": Refusal,
    "leakage": Leakage,
    "schema": JsonSchema,
    "hallucination": Hallucination,
    "citation": Citation,
    "factuality": Factuality,
}
