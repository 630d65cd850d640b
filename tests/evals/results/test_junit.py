from xml.etree import ElementTree

from llmctl.evals.results.junit import as_junit
from tests.evals.made import answers, run_of
from tests.evals.results.hostile import FORMULA, SCRIPT, hostile


def test_a_suite_per_variant_and_a_case_per_answer() -> None:
    root = ElementTree.fromstring(as_junit(hostile()))
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == [SCRIPT, FORMULA]
    counts = [[suite.get(name) for name in ("tests", "failures", "errors", "skipped")] for suite in suites]
    assert counts == [["4", "0", "1", "1"], ["4", "1", "1", "1"]]
    cases = suites[1].findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [["failure"], [], ["error"], ["skipped"]]


def test_what_failed_says_why_and_what_was_answered() -> None:
    root = ElementTree.fromstring(as_junit(hostile()))
    failure = root.findall("testsuite")[1].find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == f"tone = 0 ({SCRIPT})"
    assert (failure.text or "").endswith(SCRIPT)
    error = root.find("testsuite/testcase/error")
    assert error is not None
    assert error.get("message") == f"timeout: {SCRIPT}"


def test_repeats_are_cases_of_their_own() -> None:
    root = ElementTree.fromstring(as_junit(run_of([*answers([1.0]), *answers([0.0], repeat=1)])))
    assert [case.get("name") for case in root.iter("testcase")] == ["i0", "i0 (repeat 1)"]
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.get("message") == "score 0.0"
