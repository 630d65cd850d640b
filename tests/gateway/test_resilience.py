"""What `resilience` of a configuration may say. That it is heeded is shown in stages/test_upstream.py."""

from pathlib import Path

import pytest

from llmctl.errors import ConfigError
from llmctl.gateway.resilience import ResilienceOptions
from tests.gateway.troupe import play, says


def test_there_are_defaults_for_everything() -> None:
    options = ResilienceOptions.model_validate({})
    assert options.probe_every == 1.0
    assert options.retry.attempts > options.retry.attempts_per_model > 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retries: {attempts: 1}", "retries"),
        ("retry: {attempt: 1}", "attempt"),
        ("probe_every: 0", "probe_every"),
        ("breaker: {error_rate: 2}", "error_rate"),
        ("retry: {same_model: [client]}", "take it out"),
    ],
)
def test_what_is_wrong_is_found_before_anything_runs(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as found:
        play(tmp_path, rest={"resilience": text}, a=[says()])
    assert "resilience" in str(found.value)
    assert said in str(found.value)


async def test_it_may_do_without_probes(tmp_path: Path) -> None:
    troupe = play(tmp_path, rest={"resilience": "probe_every: null"}, a=[says()])
    await troupe.gateway.start()
    assert (await troupe.ask()).client.text == "fine"
    await troupe.gateway.close()
