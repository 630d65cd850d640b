"""What every embedder of the table is held to; mypy checks the protocol here."""

from pathlib import Path

from llmctl.clock import SystemClock
from llmctl.embedding import TABLE
from llmctl.embedding.base import Embedder, EmbedderOptions
from llmctl.embedding.builtin import Static, StaticOptions
from llmctl.embedding.endpoint import Endpoint, EndpointOptions
from llmctl.embedding.onnx import Onnx, OnnxOptions
from llmctl.net.pool import Pool
from tests.embedding.test_onnx import folder

CLASSES: dict[str, type[Embedder]] = {"static": Static, "onnx": Onnx, "endpoint": Endpoint}


def test_the_table_lists_them() -> None:
    assert TABLE == CLASSES


def test_options_refuse_what_they_do_not_know() -> None:
    for embedder in TABLE.values():
        assert issubclass(embedder.Options, EmbedderOptions)
        assert embedder.Options.model_config["extra"] == "forbid"
        assert all(one.description for one in embedder.Options.model_fields.values())


def test_only_the_built_in_one_answers_at_once(pool: Pool, tmp_path: Path) -> None:
    made: list[Embedder] = [
        Static(StaticOptions(), pool, SystemClock()),
        Endpoint(EndpointOptions(url="http://127.0.0.1/v1", model="m"), pool, SystemClock()),
        Onnx(OnnxOptions(path=str(folder(tmp_path))), pool, SystemClock()),
    ]
    assert [one.now("rye") is None for one in made] == [False, True, True]
    assert len({one.identity for one in made}) == 3
