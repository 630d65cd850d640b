import inspect
import re
from collections.abc import Iterator

import pytest

from llmctl import errors
from llmctl.errors import ConfigError, LlmctlError, UpstreamStatus


def tree(root: type[LlmctlError] = LlmctlError) -> Iterator[type[LlmctlError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


CLASSES = list(tree())


def drawn() -> dict[str, tuple[int, int | None]]:
    """Class to (depth, HTTP status where one is given), as the module's docstring draws them."""
    lines = re.findall(r"^([│├└─ ]*)(\w+)(?: +(\d{3})\b)?", errors.__doc__ or "", re.MULTILINE)
    return {name: (len(indent) // 4, int(status) if status else None) for indent, name, status in lines}


@pytest.mark.parametrize("error", CLASSES)
def test_the_docstring_draws_the_tree(error: type[LlmctlError]) -> None:
    depth, status = drawn()[error.__name__]
    assert depth == len(error.__mro__) - len(LlmctlError.__mro__) + 1
    assert status in (None, error.http_status)


@pytest.mark.parametrize("error", CLASSES)
def test_a_class_knows_its_codes(error: type[LlmctlError]) -> None:
    assert 400 <= error.http_status < 600
    assert error.exit_code in (1, 2, 3)
    assert re.fullmatch(r"[a-z_]+", error.code)
    assert re.fullmatch(r"[a-z_]+", error.type)
    assert inspect.getdoc(error)


def test_a_config_error_is_its_findings() -> None:
    error = ConfigError(["gateway.yaml:3: port: at most 65535", "gateway.yaml:9: models: required"])
    assert str(error).splitlines() == list(error.findings)


@pytest.mark.parametrize(
    ("status", "told", "retryable"),
    [
        (400, 400, False),
        (401, 502, False),
        (403, 502, False),
        (408, 408, True),
        (429, 429, True),
        (503, 503, True),
        (302, 502, False),
    ],
)
def test_an_upstream_s_status_becomes_the_client_s(status: int, told: int, retryable: bool) -> None:
    error = UpstreamStatus("no", status=status, param="model")
    assert (error.http_status, error.retryable, error.status) == (told, retryable, status)
    assert error.param == (None if told == 502 else "model")
