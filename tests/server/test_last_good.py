"""What a worker falls back on when the files are spoilt."""

from pathlib import Path

from llmctl.config.load import load
from llmctl.config.secrets import Environment
from llmctl.server.last_good import NAME, keep, kept

ROOT = "include: [models.yaml]\nproviders: {up: {kind: scripted}}\n"
MODELS = "models: {small: {provider: up}}\n"


def test_files_are_read_as_they_were(tmp_path: Path) -> None:
    root, models = tmp_path / "gateway.yaml", tmp_path / "models.yaml"
    root.write_text(ROOT)
    models.write_text(MODELS)
    before = load(root, Environment({}))
    keep(tmp_path, before)
    assert ((tmp_path / NAME).stat().st_mode & 0o777) == 0o600
    root.write_text("providers: [")
    models.unlink()
    texts = kept(tmp_path)
    assert texts is not None
    again = load(root, Environment({}), texts)
    assert (again.digest, again.sources) == (before.digest, before.sources)


def test_nothing_and_nonsense_is_nothing(tmp_path: Path) -> None:
    assert kept(tmp_path) is None
    (tmp_path / NAME).write_text("{")
    assert kept(tmp_path) is None
