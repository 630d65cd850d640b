"""The policies to begin with. They are written as a user would write them, so that any can be replaced by its name.

`strict` asks more guards and redacts for good; `lenient` blocks less and holds nothing back of a stream.
"""

from typing import Any

Policies = dict[str, dict[str, Any]]

_SPOKEN = ["user", "assistant", "tool", "retrieved"]
_VALUES = [
    "EMAIL",
    "URL_CREDENTIALS",
    "IBAN",
    "CARD",
    "SSN",
    "ITIN",
    "CRYPTO",
    "PASSPORT",
    "DRIVER_LICENSE",
    "NATIONAL_ID",
    "PHONE",
]


def _both(kind: str, **rest: Any) -> dict[str, Any]:
    return {"kind": kind, "on_error": "block", **rest}


def preset(name: str) -> Policies:
    """The policies of a preset by name, as raw configuration; cheap and frequent ones first."""
    return {"strict": _strict, "balanced": _balanced, "lenient": _lenient, "none": dict}[name]()


def _balanced() -> Policies:
    return {
        "validation": _both("validation", direction="input"),
        "secrets": _both("secrets", sources=_SPOKEN, restore=True),
        "pii": _both("pii", direction="input", sources=_SPOKEN, restore=True, options={"entities": _VALUES}),
        "pii-output": _both("pii", direction="output", options={"entities": _VALUES}),
        "content": _both("content", sources=["user"]),
        "toxicity": _both("toxicity", direction="output"),
        "leakage": _both("leakage"),
        "injection": _both("injection", sources=["user"]),
        # A document stays in the conversation for good: what reads like an order in it goes, the rest may be used.
        "injection-documents": _both("injection", sources=["tool", "retrieved"], actions={"*": "redact"}),
        "refusal": {"kind": "refusal", "on_error": "allow"},
    }


def _strict() -> Policies:
    return {
        **{name: policy for name, policy in _balanced().items() if name != "injection-documents"},
        "injection": _both("injection", sources=["user", "tool", "retrieved"]),
        "validation": _both("validation"),
        "secrets": _both("secrets"),
        "pii": _both("pii", direction="input"),
        "pii-output": _both("pii", direction="output"),
        "content": _both("content"),
        "toxicity": _both("toxicity"),
        "schema": _both("schema", options={"only_when_asked": True}),
    }


def _lenient() -> Policies:
    warned = {"*": "warn"}
    return {
        "validation": _both("validation", direction="input"),
        "secrets": _both("secrets", direction="input", sources=_SPOKEN, restore=True),
        "pii": {
            "kind": "pii",
            "on_error": "allow",
            "direction": "input",
            "actions": warned,
            "options": {"entities": _VALUES},
        },
        "content": {"kind": "content", "on_error": "allow", "sources": ["user"]},
        "toxicity": {"kind": "toxicity", "on_error": "allow", "direction": "output", "actions": warned},
        "injection": {"kind": "injection", "on_error": "allow", "sources": ["user"]},
        "injection-documents": {
            "kind": "injection",
            "on_error": "allow",
            "sources": ["tool", "retrieved"],
            "actions": warned,
        },
        "refusal": {"kind": "refusal", "on_error": "allow"},
    }
