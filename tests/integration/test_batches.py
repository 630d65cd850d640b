"""The official `openai` package against the batches of `llmctl serve`."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from llmctl.config.keys import new_key
from llmctl.model.record import Record
from llmctl.telemetry.reader import RecordReader
from llmctl.testing.process import Served, serve

MINE, MY_ENTRY = new_key()
OTHERS, OTHERS_ENTRY = new_key()
CONFIG = f"""
    server: {{drain_timeout: 1s}}
    guardrails: {{preset: none}}
    providers:
      up: {{kind: scripted, text: "It is 42."}}
      bad: {{kind: scripted, faults: [{{kind: error, status: 400}}]}}
      slow: {{kind: scripted, tokens: 20, token_rate: 80}}
    models: {{m: {{provider: up}}, bad: {{provider: bad}}, slow: {{provider: slow}}}}
    records: {{dir: records}}
    batches: {{concurrency: 2, max_file: 100KB, max_requests: 50}}
    keys:
      - {{id: {MY_ENTRY["id"]}, hash: "{MY_ENTRY["hash"]}", tenant: acme}}
      - {{id: {OTHERS_ENTRY["id"]}, hash: "{OTHERS_ENTRY["hash"]}", tenant: other}}
"""
CHAT = "/v1/chat/completions"
TODAY: dict[str, Any] = {"endpoint": CHAT, "completion_window": "24h"}


def line(custom_id: str, model: str = "m", **rest: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": f"What is {custom_id}?"}]}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body} | rest


def jsonl(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def client(served: Served, key: str = MINE) -> OpenAI:
    return OpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0, timeout=20)


def submit(api: OpenAI, data: bytes, **rest: Any) -> Batch:
    file = api.files.create(file=("questions.jsonl", data), purpose="batch")
    return api.batches.create(input_file_id=file.id, **{**TODAY, **rest})


def ended(api: OpenAI, batch: Batch, within: float = 20.0) -> Batch:
    give_up = time.monotonic() + within
    while (now := api.batches.retrieve(batch.id)).status not in ("completed", "failed", "expired", "cancelled"):
        assert time.monotonic() < give_up, now
        time.sleep(0.05)
    return now


def results(api: OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    found = [json.loads(each) for each in api.files.content(file_id).read().splitlines()]
    return {each["custom_id"]: each for each in found}


def records(served: Served, batch: Batch, count: int) -> list[Record]:
    give_up = time.monotonic() + 10
    while True:
        found = [each for each in RecordReader(served.records).read() if each.batch == batch.id]
        if len(found) >= count or time.monotonic() > give_up:
            return found
        time.sleep(0.05)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(CONFIG, tmp_path_factory.mktemp("batches")) as served:
        yield served
        assert not served.events("bug")
        assert served.stop() == 0


def test_a_batch_from_upload_to_results(served: Served) -> None:
    api = client(served)
    data = jsonl(line("a"), line("b", "bad"), line("c"))
    batch = submit(api, data, metadata={"job": "nightly"})
    assert (batch.status, batch.object, batch.metadata) == ("validating", "batch", {"job": "nightly"})
    assert batch.expires_at is not None
    assert batch.expires_at - batch.created_at == 86400
    done = ended(api, batch)
    assert (done.status, done.errors) == ("completed", None)
    assert done.request_counts is not None
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1)
    good, bad = results(api, done.output_file_id), results(api, done.error_file_id)
    assert set(good) == {"a", "c"}
    assert set(bad) == {"b"}
    answer = good["a"]
    assert set(answer) == {"id", "custom_id", "response", "error"}
    assert answer["response"]["status_code"] == 200
    assert answer["response"]["body"]["choices"][0]["message"]["content"] == "It is 42."
    assert answer["error"] is None
    assert bad["b"]["response"]["status_code"] == 400
    assert "error" in bad["b"]["response"]["body"]
    kept = records(served, batch, 3)
    assert {each.id for each in kept} == {one["response"]["request_id"] for one in [*good.values(), *bad.values()]}
    assert {(each.tenant, each.key) for each in kept} == {("acme", MY_ENTRY["id"])}


def test_files(served: Served) -> None:
    api = client(served)
    data = jsonl(line("a"))
    files = [api.files.create(file=(f'f"ü{n}.jsonl', data), purpose="batch") for n in range(3)]
    assert files[0].filename == 'f"ü0.jsonl'
    assert (files[0].bytes, files[0].purpose, files[0].status, files[0].object) == (
        len(data), "batch", "processed", "file")  # fmt: skip
    assert api.files.retrieve(files[1].id) == files[1]
    assert api.files.content(files[1].id).read() == data
    page = api.files.list(limit=2, order="asc", after=files[0].id, purpose="batch")
    assert [each.id for each in page.data] == [files[1].id, files[2].id]
    newest = [each.id for each in api.files.list(limit=1)][:3]  # the package fetches page after page
    assert newest == [files[2].id, files[1].id, files[0].id]
    gone = api.files.delete(files[0].id)
    assert (gone.deleted, gone.object) == (True, "file")
    with pytest.raises(openai.NotFoundError):
        api.files.retrieve(files[0].id)
    stays: Any = {"anchor": "created_at", "seconds": 3600}
    brief = api.files.create(file=("x.jsonl", data), purpose="batch", expires_after=stays)
    assert brief.expires_at == brief.created_at + 3600


def test_what_is_wrong_is_said(served: Served) -> None:
    api = client(served)
    with pytest.raises(openai.BadRequestError, match="purpose"):
        api.files.create(file=("x.jsonl", b"{}"), purpose="fine-tune")
    with pytest.raises(openai.APIStatusError, match="max_file") as caught:
        api.files.create(file=("x.jsonl", b"x" * 110_000), purpose="batch")
    assert caught.value.status_code == 413
    with pytest.raises(openai.NotFoundError):
        api.batches.create(input_file_id="file-x", **TODAY)
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        submit(api, jsonl(line("a")), endpoint="/v1/images/edits")
    failed = ended(api, submit(api, jsonl(line("a"), line("a"), line("b", url="/v1/embeddings")) + b"nonsense\n"))
    assert failed.status == "failed"
    assert failed.errors is not None
    found = [(each.code, each.line) for each in failed.errors.data or []]
    assert found == [("duplicate_custom_id", 2), ("url_mismatch", 3), ("invalid_json_line", 4)]
    for data, code in ((b"\n\n", "empty_file"), (jsonl(*(line(str(n)) for n in range(51))), "too_many_requests")):
        failed = ended(api, submit(api, data))
        assert failed.errors is not None
        assert [each.code for each in failed.errors.data or []] == [code]


def test_other_tenants_have_their_own(served: Served) -> None:
    mine, others = client(served), client(served, OTHERS)
    batch = submit(mine, jsonl(line("a")))
    ended(mine, batch)
    assert batch.id not in [each.id for each in others.batches.list()]
    assert batch.input_file_id not in [each.id for each in others.files.list()]
    for ask in (
        lambda: others.batches.retrieve(batch.id),
        lambda: others.batches.cancel(batch.id),
        lambda: others.files.retrieve(batch.input_file_id),
        lambda: others.files.content(batch.input_file_id),
        lambda: others.files.delete(batch.input_file_id),
        lambda: others.batches.create(input_file_id=batch.input_file_id, **TODAY),
    ):
        with pytest.raises(openai.NotFoundError):
            ask()
    with pytest.raises(openai.AuthenticationError):
        client(served, "llmctl_no_key").batches.list()


def test_lists_of_batches_come_in_pages(served: Served) -> None:
    api = client(served)
    made = [submit(api, jsonl(line("a"))).id for _ in range(3)]
    first = api.batches.list(limit=2)
    assert ([each.id for each in first.data], first.has_more) == (made[:0:-1], True)
    assert [each.id for each in api.batches.list(limit=2, after=made[1])][:1] == [made[0]]


def test_cancel(served: Served) -> None:
    api = client(served)
    batch = submit(api, jsonl(*(line(str(n), "slow") for n in range(20))))
    while api.batches.retrieve(batch.id).status == "validating":
        time.sleep(0.02)
    with pytest.raises(openai.BadRequestError, match="still reads"):
        api.files.delete(batch.input_file_id)
    assert api.batches.cancel(batch.id).status == "cancelling"
    done = ended(api, batch)
    assert (done.status, done.request_counts and done.request_counts.total) == ("cancelled", 20)
    assert done.cancelling_at is not None
    assert done.cancelled_at is not None
    assert done.request_counts is not None
    assert done.request_counts.completed < 20
    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        api.batches.cancel(batch.id)


def test_other_endpoints(served: Served) -> None:
    api = client(served)
    bodies: dict[Any, dict[str, Any]] = {
        "/v1/embeddings": {"model": "m", "input": "hello"},
        "/v1/completions": {"model": "m", "prompt": "hello"},
        "/v1/responses": {"model": "m", "input": "hello"},
    }
    for url, body in bodies.items():
        batch = submit(api, jsonl(line("a", url=url, body=body)), endpoint=url)
        answer = results(api, ended(api, batch).output_file_id)["a"]["response"]["body"]
        assert answer["object"] in ("list", "text_completion", "response")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_goes_on_after_a_restart_without_asking_again(tmp_path: Path, number: int) -> None:
    with serve(CONFIG, tmp_path) as served:
        api = client(served)
        batch = submit(api, jsonl(*(line(str(n), "slow") for n in range(6))))
        while not list(tmp_path.rglob("output.jsonl")) or not next(tmp_path.rglob("output.jsonl")).stat().st_size:
            time.sleep(0.02)
        served.stop(number)
    with serve(CONFIG, tmp_path) as served:
        api = client(served)
        done = ended(api, batch)
        assert set(results(api, done.output_file_id)) == set("012345")
        assert done.request_counts is not None
        assert done.request_counts.completed == 6
        assert served.stop() == 0
    answered = [each for each in records(served, batch, 0) if each.state == "ok"]
    assert 6 - 2 <= len(answered) <= 6 + 2  # SIGKILL may have lost records, and results, of lines under way


def test_one_of_several_workers_runs_the_lane(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path, ["--workers", "2"]) as served:
        for _ in range(3):  # each client has connections of its own, so both workers are asked
            api = client(served)
            batch = submit(api, jsonl(line("a"), line("b")))
            done = ended(api, batch)
            assert (done.status, set(results(api, done.output_file_id))) == ("completed", {"a", "b"})
            assert len(records(served, batch, 2)) == 2
        assert served.stop() == 0


def test_without_the_section_it_says_so(tmp_path: Path) -> None:
    with serve(CONFIG.replace("batches:", "#"), tmp_path) as served:
        for path in ("files", "batches"):
            with pytest.raises(openai.NotFoundError, match="section `batches`"):
                getattr(client(served), path).list()
        assert not (tmp_path / ".llmctl").exists()


def test_nobody_else_may_read_what_is_kept(served: Served) -> None:
    submit(client(served), jsonl(line("a")))
    for path in (served.folder / ".llmctl" / "batches").rglob("*"):
        assert os.stat(path).st_mode & 0o077 == 0, path
