import pytest
from pydantic import ValidationError

from llmctl.evals.suite import SuiteConfig

LEAST = {"name": "s", "dataset": {"kind": "jsonl", "path": "x"}, "targets": {"t": {"kind": "url", "model": "m"}}}


def test_what_a_kind_takes_stands_beside_it() -> None:
    suite = SuiteConfig.model_validate({**LEAST, "scorers": [{"kind": "equals", "value": "x", "weight": 2}]})
    assert suite.dataset.options == {"path": "x"}
    assert suite.scorers[0].model_extra == {"value": "x"}
    assert (suite.scorers[0].weight, suite.threshold, suite.run.cache) == (2.0, None, True)


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"seeds": 1}, {"threshold": 2}, {"run": {"concurrency": 0}}])
def test_unknown_keys_and_values_are_errors(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SuiteConfig.model_validate({**LEAST, **wrong})
