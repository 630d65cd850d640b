import json

from llmctl.evals.results.summary import as_json
from tests.evals.made import answers, run_of


def test_it_is_json_with_the_run_and_every_interval() -> None:
    told = json.loads(json.dumps(as_json(run_of(answers([1.0, 0.0, None]))), allow_nan=False))
    assert told["run"]["suite"] == "quick"
    (variant,) = told["variants"]
    score = variant["metrics"][0]
    assert (score["name"], score["unscored"]) == ("score", 1)
    assert score["interval"]["method"] == "Wilson"
    assert 0 < score["interval"]["low"] < 0.5 < score["interval"]["high"] < 1
