"""Results as JUnit XML, which every CI shows: a suite per variant, a case per answer.

An answer that does not pass is a failure, one that never came an error, and one that could not be scored skipped.
Source of the format: the schema of Jenkins' xUnit plugin, junit-10.xsd.
"""

from llmctl.evals.results.plain import xml
from llmctl.evals.results.read import Results
from llmctl.scoring.result import Result

_LONGEST = 4000  # characters of an answer


def as_junit(results: Results) -> str:
    """The document."""
    suites = [_suite(results, variant) for variant in results.variants]
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="{xml(results.run.suite)}">\n'
    return head + "".join(suites) + "</testsuites>\n"


def _suite(results: Results, variant: str) -> str:
    found = results.of(variant)
    counts = {
        "tests": len(found),
        "failures": sum(result.passed is False and not result.error for result in found),
        "errors": sum(bool(result.error) for result in found),
        "skipped": sum(result.passed is None and not result.error for result in found),
    }
    told = " ".join(f'{name}="{count}"' for name, count in counts.items())
    seconds = sum(result.seconds or 0.0 for result in found)
    cases = "".join(_case(result, results.run.suite) for result in found)
    return f'  <testsuite name="{xml(variant)}" {told} time="{seconds:.6f}">\n{cases}  </testsuite>\n'


def _case(result: Result, suite: str) -> str:
    name = result.item if not result.repeat else f"{result.item} (repeat {result.repeat})"
    head = f'    <testcase classname="{xml(f"{suite}.{result.variant}")}" name="{xml(name)}"'
    head += f' time="{result.seconds or 0.0:.6f}"'
    if result.error:
        what = xml(f"{result.error}: {result.detail}" if result.detail else result.error)
        return f'{head}>\n      <error type="{xml(result.error)}" message="{what}"/>\n    </testcase>\n'
    if result.passed is None:
        return f'{head}>\n      <skipped message="{xml(_reasons(result) or "not scored")}"/>\n    </testcase>\n'
    if result.passed:
        return f"{head}/>\n"
    body = xml(result.output[:_LONGEST]).replace("&#10;", "\n")
    message = xml(_reasons(result) or f"score {result.score}")
    return f'{head}>\n      <failure message="{message}">{body}</failure>\n    </testcase>\n'


def _reasons(result: Result) -> str:
    """Which scorers did not pass, and why."""
    told = [one for one in result.scored if one.passed is not True]
    return "; ".join(
        f"{one.metric} = {'unscored' if one.value is None else f'{one.value:.4g}'}"
        + (f" ({one.reason})" if one.reason else "")
        for one in told
    )
