"""Which scorers there are: `kind` in a suite, its class. One line each; imported when one is asked for."""

import difflib
import importlib
from importlib.metadata import entry_points
from typing import Any

from llmctl.scoring.base import Scorer

GROUP = "llmctl.scorers"
TABLE: dict[str, str] = {
    "equals": "equals:Equals",
    "contains": "contains:Contains",
    "icontains": "contains:IContains",
    "contains-any": "contains:ContainsAny",
    "icontains-any": "contains:IContainsAny",
    "contains-all": "contains:ContainsAll",
    "icontains-all": "contains:IContainsAll",
    "starts-with": "starts_with:StartsWith",
    "regex": "regex:Regex",
    "is-json": "is_json:IsJson",
    "contains-json": "is_json:ContainsJson",
    "number": "number:Number",
    "multiple-choice": "multiple_choice:MultipleChoice",
    "levenshtein": "levenshtein:Levenshtein",
    "rouge-l": "rouge_l:RougeL",
    "bleu": "bleu:Bleu",
    "embedding": "embedding:Embedding",
    "python": "python:Python",
    "refusal": "refusal:Refusal",
    "guard": "guarded:Guard",
    "grounding": "grounding:Grounding",
    "valid-tool-calls": "tool_calls:ValidToolCalls",
    "tool-calls": "tool_calls:ToolCalls",
    "finish-reason": "finish:FinishReason",
    "words": "finish:Words",
    "latency": "spent:Latency",
    "ttft": "spent:Ttft",
    "cost": "spent:Cost",
    "llm-rubric": "llm_rubric:LlmRubric",
    "pairwise": "pairwise:Pairwise",
    "factuality": "factuality:Factuality",
    "edits": "edits:Edits",
}
"""`module:Class` within llmctl.scoring, by kind."""


def find(kind: str) -> type[Scorer]:
    """The scorer's class: of ours, of an installed package's entry points, or `module:Class`. Raises ValueError."""
    if (place := TABLE.get(kind)) is not None:
        module, _, name = place.partition(":")
        return _checked(kind, getattr(importlib.import_module(f"llmctl.scoring.{module}"), name))
    try:
        for entry in entry_points(group=GROUP, name=kind):
            return _checked(kind, entry.load())
        if ":" in kind:
            module, _, name = kind.partition(":")
            return _checked(kind, getattr(importlib.import_module(module), name))
    except ValueError:
        raise
    except Exception as error:  # code of others can raise anything
        raise ValueError(f"scorer {kind}: {type(error).__name__}: {error}") from None
    near = difflib.get_close_matches(kind, TABLE, 1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(TABLE)}"
    raise ValueError(f"no scorer is called {kind!r}{hint}")


def _checked(kind: str, found: Any) -> type[Scorer]:
    missing = [name for name in ("Options", "rendered", "threshold", "score") if not hasattr(found, name)]
    if missing:
        raise ValueError(f"scorer {kind}: {found!r} has no {', '.join(missing)}; see llmctl.scoring.base.Scorer")
    scorer: type[Scorer] = found
    return scorer
