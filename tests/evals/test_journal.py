from pathlib import Path

import pytest
from msgspec.structs import replace

from llmctl.errors import StoreError, UsageError
from llmctl.evals.journal import JOURNAL, RESULTS, Journal, Place, head
from llmctl.evals.results.read import read_results
from llmctl.scoring.result import Result, Run

RUN = Run("s", "d", ["b", "a"], 2, 2, 0, 1.5, "0.1")


def result(variant: str, number: int, repeat: int, output: str = "") -> Result:
    return Result(f"i{number}", number, repeat, variant, 1.0, True, output=output)


def test_results_are_sorted_by_the_runs_variants_whatever_the_order_they_came_in(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    came = [result(*one) for one in (("a", 1, 0), ("b", 1, 1), ("a", 0, 1), ("b", 0, 0), ("a", 0, 0))]
    for one in came:
        journal.append(one)
    assert sorted(journal.results(), key=repr) == sorted(came, key=repr)
    path = journal.finish(complete=True)
    journal.close()
    assert path == tmp_path / RESULTS
    found = read_results(path)
    assert found.run == RUN
    assert [(one.variant, one.number, one.repeat) for one in found.results] == [
        ("b", 0, 0), ("b", 1, 1), ("a", 0, 0), ("a", 0, 1), ("a", 1, 0)
    ]  # fmt: skip
    assert [one.name for one in tmp_path.iterdir()] == [RESULTS]


def test_a_run_that_goes_on_keeps_its_head_and_what_there_is(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    journal.append(result("a", 0, 0))
    journal.close()
    again = Journal(tmp_path, replace(RUN, started=99.0))
    assert again.run == RUN
    assert Place("a", 0, 0) in again
    assert Place("a", 0, 1) not in again
    assert len(again) == 1
    again.close()


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path, RUN)
    for number in range(2):
        journal.append(result("a", number, 0))
    journal.close()
    path = tmp_path / JOURNAL
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(tmp_path, RUN)
    assert len(again) == 1
    again.append(result("a", 1, 0, "anew"))
    assert [one.output for one in again.results()] == ["", "anew"]
    again.close()
    assert len(path.read_bytes().splitlines()) == 3


def test_a_torn_head_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b'{"suite":"s","dig')
    assert head(tmp_path / JOURNAL) is None
    journal = Journal(tmp_path, RUN)
    assert head(tmp_path / JOURNAL) == RUN
    journal.close()


def test_a_damaged_line_is_told_with_its_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    journal.append(result("a", 0, 0))
    journal.close()
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"item": 3}\n')
    with pytest.raises(StoreError, match=r"journal\.jsonl:3: is damaged"):
        Journal(tmp_path, RUN)


def test_what_is_forgotten_is_replaced(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    journal.append(result("a", 0, 0, "bad"))
    journal.forget(Place("a", 0, 0))
    assert Place("a", 0, 0) not in journal
    journal.append(result("a", 0, 0, "good"))
    assert [one.output for one in read_results(journal.finish(complete=False)).results] == ["good"]
    assert (tmp_path / JOURNAL).exists()
    journal.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    with pytest.raises(UsageError, match="another `llmctl eval` is at work there"):
        Journal(tmp_path, RUN)
    journal.close()
    Journal(tmp_path, RUN).close()


def test_a_failed_write_leaves_no_half_line(tmp_path: Path) -> None:
    full = [False]

    def write(descriptor: int, data: bytes) -> None:
        import os

        os.write(descriptor, data[: len(data) // 2] if full[0] else data)
        if full[0]:
            raise OSError(28, "No space left on device")

    journal = Journal(tmp_path, RUN, write)
    journal.append(result("a", 0, 0))
    full[0] = True
    with pytest.raises(StoreError, match="No space left"):
        journal.append(result("a", 1, 0))
    full[0] = False
    journal.append(result("b", 0, 0))
    assert {(one.variant, one.number) for one in journal.results()} == {("a", 0), ("b", 0)}
    journal.sync()
    journal.close()
    again = Journal(tmp_path, RUN)
    assert len(again) == 2
    again.close()
