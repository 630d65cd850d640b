from openai.types import Batch as TheirBatch
from openai.types import FileObject

from llmctl.batches.objects import Batch, File, Trouble

BATCH = Batch("batch_1", "acme", "key1", 0, "/v1/embeddings", "file-1", 100, 100 + 86400)


def test_what_is_shown_is_what_openai_shows() -> None:
    file = File("file-1", 3, 100, "a.jsonl", "batch", 200).shown()
    assert FileObject.model_validate(file, strict=True).to_dict() == file
    done = BATCH.on("failed", 120.5, errors=[Trouble("x", "y", 2)], total=3, output_file_id="file-2")
    for batch in (BATCH, done):
        shown = batch.shown()
        assert TheirBatch.model_validate(shown, strict=True).to_dict() == shown
        assert set(shown) == set(TheirBatch.model_fields)
    assert set(file) == set(FileObject.model_fields)


def test_nothing_of_ours_is_shown() -> None:
    assert not {"tenant", "key", "priority", "ending"} & set(BATCH.shown())


def test_files_are_shown_once_they_are_there() -> None:
    finalizing = BATCH.on("finalizing", 130, output_file_id="file-2")
    assert (finalizing.shown()["output_file_id"], finalizing.ended) == (None, False)
    completed = finalizing.on("completed", 140)
    assert (completed.shown()["output_file_id"], completed.ended, completed.end) == ("file-2", True, 140)
    assert (completed.finalizing_at, completed.completed_at) == (130, 140)
