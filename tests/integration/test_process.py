"""`llmctl serve` as a process: start, bad input, reload, drain, kill, workers."""

import json
import os
import signal
import threading
import time
from pathlib import Path
from textwrap import dedent

import httpx
import pytest

from llmctl.config.keys import new_key
from llmctl.model.record import Record
from llmctl.telemetry.reader import RecordReader
from llmctl.testing.process import Served, serve

CONFIG = """
    server: {drain_timeout: 10s}
    guardrails: {preset: none}
    providers: {up: {kind: scripted, tokens: 20, token_rate: 20}}
    models: {small: {provider: up}}
    records: {dir: records}
"""
FAST = CONFIG.replace(", token_rate: 20", "")
QUESTION = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}


def read_records(folder: Path) -> list[Record]:
    return list(RecordReader(folder).read())


def ask(served: Served, headers: dict[str, str] | None = None, *, stream: bool = False) -> httpx.Response:
    body = QUESTION | {"stream": stream}
    return httpx.post(f"{served.url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def wait_until(what: str, condition: object, within: float = 20.0) -> None:
    assert callable(condition)
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, f"not within {within} s: {what}"
        time.sleep(0.05)


def test_it_serves_says_how_it_is_and_ends_with_zero(tmp_path: Path) -> None:
    with serve(FAST, tmp_path) as served:
        assert ask(served).status_code == 200
        assert httpx.get(f"{served.url}/healthz").text == "ok\n"
        ready = httpx.get(f"{served.url}/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        names = [m["id"] for m in httpx.get(f"{served.url}/v1/models").json()["data"]]
        assert names == ["small"]
        metrics = httpx.get(f"{served.url}/metrics").text
        assert 'llmctl_requests_total{dialect="openai",model="small",status="200"} 1.0' in metrics
        assert 'llm_requests_total{model="small",status="200"} 1.0' in metrics
        assert served.stop() == 0
    assert [record.state for record in read_records(served.records)] == ["ok"]
    assert "curl http://localhost:" in (tmp_path / "stderr.txt").read_text()


def test_a_wrong_configuration_ends_with_its_findings_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="did not come up") as caught, serve("models: {a: {provder: x}}", tmp_path):
        pass
    message = str(caught.value)
    assert "gateway.yaml:1: models.a.provder" in message
    assert "Traceback" not in message


def test_a_public_address_without_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="without keys"), serve(FAST, tmp_path, ["--host", "0.0.0.0"]):
        pass


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with serve(FAST, tmp_path) as served:
        other = tmp_path / "other"
        other.mkdir()
        taken = pytest.raises(RuntimeError, match=f"cannot listen on 127.0.0.1:{served.port}")
        with taken, serve(FAST, other, ["--port", str(served.port)]):
            pass


def test_keys(tmp_path: Path) -> None:
    key, entry = new_key()
    _, expired = new_key()
    text = (
        FAST
        + f"""
    keys:
      - {{id: {entry["id"]}, hash: "{entry["hash"]}", tenant: acme, models: [small]}}
      - {{id: {expired["id"]}, hash: "{entry["hash"]}", expires: 2020-01-01T00:00:00Z}}
"""
    )
    with serve(text, tmp_path) as served:
        assert ask(served).status_code == 401
        assert ask(served, {"authorization": "Bearer nonsense"}).status_code == 401
        assert ask(served, {"authorization": f"Bearer {key[:-1]}x"}).status_code == 401
        late = key.replace(entry["id"], expired["id"])
        assert ask(served, {"authorization": f"Bearer {late}"}).json()["error"]["code"] == "expired_api_key"
        assert ask(served, {"authorization": f"Bearer {key}"}).status_code == 200
        assert ask(served, {"x-api-key": key}).status_code == 200
        served.stop()
    records = read_records(served.records)
    assert [record.tenant for record in records] == ["", "", "", "", "acme", "acme"]
    everything = "".join(path.read_text() for path in served.records.rglob("*.jsonl"))
    assert key.split("_", 2)[2] not in everything


def test_a_changed_file_goes_live_and_a_bad_one_does_not(tmp_path: Path) -> None:
    with serve(FAST, tmp_path) as served:
        config = tmp_path / "gateway.yaml"
        before = httpx.get(f"{served.url}/readyz").json()["policy"]
        config.write_text(config.read_text().replace("models: {small", "models: {big: {provider: up}, small"))
        wait_until("the new model is live", lambda: len(httpx.get(f"{served.url}/v1/models").json()["data"]) == 2)
        after = httpx.get(f"{served.url}/readyz").json()
        assert after["policy"] != before
        config.write_text(config.read_text().replace("provider: up", "provider: down"))
        wait_until("the failure is told", lambda: httpx.get(f"{served.url}/readyz").json()["reload_error"])
        told = httpx.get(f"{served.url}/readyz")
        assert (told.status_code, told.json()["policy"]) == (200, after["policy"])
        assert "down" in told.json()["reload_error"]
        assert ask(served).status_code == 200
        config.write_text(config.read_text().replace("provider: down", "provider: up"))
        os.kill(served.process.pid, signal.SIGHUP)
        wait_until("the repaired file is live", lambda: not httpx.get(f"{served.url}/readyz").json()["reload_error"])


def test_a_reload_cuts_no_stream(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path) as served:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(ask(served, stream=True)))
        thread.start()
        time.sleep(0.3)
        config = tmp_path / "gateway.yaml"
        config.write_text(config.read_text().replace("tokens: 20", "tokens: 3"))
        os.kill(served.process.pid, signal.SIGHUP)
        thread.join()
        assert answers[0].text.rstrip().endswith("[DONE]")
        assert answers[0].text.count("data: ") > 20
        assert ask(served, stream=True).text.count("data: ") < 10


def test_a_drain_lets_streams_finish_and_takes_nothing_new(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path) as served:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(ask(served, stream=True)))
        thread.start()
        time.sleep(0.4)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(httpx.TransportError):
            ask(served)
        thread.join()
        assert answers[0].text.rstrip().endswith("[DONE]")
        assert served.process.wait(10) == 0
    assert [record.state for record in read_records(served.records)] == ["ok"]


def test_a_drain_has_a_deadline_and_tells_those_it_cuts_off(tmp_path: Path) -> None:
    slow = CONFIG.replace("token_rate: 20", "token_rate: 1").replace("drain_timeout: 10s", "drain_timeout: 1s")
    with serve(slow, tmp_path) as served:
        answers: list[httpx.Response] = []
        threads = [
            threading.Thread(target=lambda stream=stream: answers.append(ask(served, stream=stream)))
            for stream in (True, False)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        began = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - began < 8
        for thread in threads:
            thread.join()
        assert all("the gateway is stopping" in answer.text for answer in answers)
        assert sorted(answer.status_code for answer in answers) == [200, 503]
    assert [record.state for record in read_records(served.records)] == ["failed", "failed"]
    assert not [event for event in served.log if event.get("level") == "error"]


def test_sigkill_under_load_loses_nothing_older_than_250_ms(tmp_path: Path) -> None:
    with serve(FAST, tmp_path) as served:
        answered: list[tuple[float, str]] = []
        stop = threading.Event()

        def load() -> None:
            with httpx.Client() as client:
                while not stop.is_set():
                    try:
                        answer = client.post(f"{served.url}/v1/chat/completions", json=QUESTION)
                    except httpx.TransportError:
                        return
                    answered.append((time.monotonic(), answer.headers["x-llmctl-request-id"]))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(1.5)
        killed = time.monotonic()
        served.process.kill()
        served.process.wait()
        stop.set()
        for thread in threads:
            thread.join()
    on_disk = {record.id for record in read_records(served.records)}
    lost = [at for at, request in answered if request not in on_disk]
    assert len(answered) > 100
    assert all(killed - at < 0.25 for at in lost), max(killed - at for at in lost)
    with serve(FAST, tmp_path) as again:
        assert ask(again).status_code == 200
        again.stop()
    assert len({record.id for record in read_records(served.records)}) == len(on_disk) + 1


def test_a_full_disk_is_no_outage(tmp_path: Path) -> None:
    blocked = tmp_path / "records"
    blocked.write_text("a file where the folder should be")
    with serve(FAST, tmp_path) as served:
        for _ in range(5):
            assert ask(served).status_code == 200
        wait_until("the loss is logged", lambda: served.events("records"))
        assert served.stop() == 0


def test_workers_share_the_port_restart_and_sum_their_metrics(tmp_path: Path) -> None:
    with serve(FAST, tmp_path, ["--workers", "2"]) as served:
        for _ in range(40):
            assert ask(served).status_code == 200
        wait_until("both workers' counts are in", lambda: _requests(served) == 40)
        children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
        assert len(children) == 2
        os.kill(int(children[0]), signal.SIGKILL)
        wait_until("the death is logged", lambda: served.events("worker_died"))
        for _ in range(20):
            wait_until("it answers", lambda: _answers(served))
        assert _requests(served) >= 40
        assert served.stop() == 0
    assert len(read_records(served.records)) >= 40


def test_a_worker_that_dies_while_the_file_is_bad_is_replaced_by_one_that_serves_as_before(tmp_path: Path) -> None:
    with serve(FAST, tmp_path, ["--workers", "2"]) as served:
        wait_until("the configuration is written down", lambda: _answers(served))
        file = tmp_path / "gateway.yaml"
        good = file.read_text()
        file.write_text(good.replace("models:", "modles:"))
        wait_until("the bad file is refused", lambda: len(served.events("reload_failed")) >= 2)
        children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        wait_until("both are replaced", lambda: len(served.events("reload_failed")) >= 4)
        wait_until("it answers", lambda: _answers(served))
        assert "modles" in httpx.get(f"{served.url}/readyz").json()["reload_error"]
        file.write_text(good.replace("small:", "large:"))
        wait_until("the mended file is served", lambda: len(served.events("reloaded")) >= 2)
        assert served.stop() == 0


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    with serve(FAST, tmp_path, ["--workers", "2"]) as served:
        children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
        served.process.kill()
        wait_until("the workers have ended", lambda: not any(_alive(int(child)) for child in children))


def _answers(served: Served, *, stream: bool = False) -> bool:
    try:
        return ask(served, stream=stream).status_code == 200
    except httpx.TransportError:
        return False


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def _requests(served: Served) -> float:
    lines = httpx.get(f"{served.url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("llmctl_requests_total{"))


def test_the_log_is_json(tmp_path: Path) -> None:
    with serve(FAST, tmp_path) as served:
        served.stop()
        wait_until("the last event", lambda: served.events("stopped"))
    assert not served.events("not_json")
    assert json.dumps(served.log)


def test_a_reload_does_not_open_a_public_port(tmp_path: Path) -> None:
    _, entry = new_key()
    keyed = FAST + f'    keys: [{{id: {entry["id"]}, hash: "{entry["hash"]}"}}]\n'
    with serve(keyed, tmp_path, ["--host", "0.0.0.0"]) as served:
        assert ask(served).status_code == 401
        (tmp_path / "gateway.yaml").write_text(dedent(FAST))
        os.kill(served.process.pid, signal.SIGHUP)
        wait_until("the reload is refused", lambda: served.events("reload_failed"))
        assert "0.0.0.0" in served.events("reload_failed")[0]["error"]
        assert ask(served).status_code == 401


def test_what_waits_for_a_restart_is_named(tmp_path: Path) -> None:
    with serve(FAST, tmp_path) as served:
        config = tmp_path / "gateway.yaml"
        config.write_text(config.read_text().replace("drain_timeout: 10s", "drain_timeout: 11s"))
        os.kill(served.process.pid, signal.SIGHUP)
        wait_until("it is told", lambda: served.events("needs_restart"))
        assert served.events("needs_restart")[0]["settings"] == ["server.drain_timeout"]
