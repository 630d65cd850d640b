"""What the assessment is handed."""

from hashlib import sha256
from pathlib import Path

from llmctl.chaos.evidence import GOOD_FOR, evidence
from tests.chaos.outcomes import START, made

ABOUT = {"command": "llmctl chaos run x.yaml", "host": "h", "git": "c"}


def test_that_the_lower_limit_decides(tmp_path: Path) -> None:
    raw = tmp_path / "raw.json"
    raw.write_text("{}")
    many = [made(requests=10_000, answered=10_000), made("two", start=START + 10, end=START + 20)]
    found = evidence(many, [raw], [raw], ABOUT)
    assert (found["status"], found["score"], found["estimate"], found["n"]) == ("pass", 1.0, 1.0, 11_000)
    assert 0.999 < found["interval"][0] < found["interval"][1] == 1.0
    assert found["artifacts"] == [{"path": str(raw), "sha256": sha256(b"{}").hexdigest()}]
    assert (found["started"], found["expires"]) == (START, START + 20 + GOOD_FOR)
    assert {"reason", "command", "host", "git", "config_digest"} <= set(found)
    assert evidence([made()], [raw], [raw], ABOUT)["status"] == "fail"  # 1,000 of 1,000 do not prove 99.9%


def test_that_one_which_failed_is_named(tmp_path: Path) -> None:
    found = evidence([made(requests=9000, answered=9000), made("bad", status="failed")], [], [], ABOUT)
    assert found["status"] == "fail"
    assert found["reason"].endswith("these did not pass: bad")
    assert evidence([], [], [], ABOUT)["reason"].startswith("no experiment ran")
